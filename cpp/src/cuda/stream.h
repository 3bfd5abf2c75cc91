// CudaStream: work for a GPU and for the CPU, in the order it was given.
//
// If the GPU has the input of some work, or is about to compute it, the calling
// thread launches that work at once; CUDA's streams and events keep it in
// order. A queue on the host follows: it waits until the GPU is done, signals
// the output or reports the error, and releases what was in use. Work that must
// wait for the CPU first, to compute the input or to copy it to the GPU, is
// launched by that queue.
//
// On another library's stream, work that reads and writes nothing but memory
// that the library lends is launched and forgotten: what follows on that stream
// is in order, and nothing has to be released. A CUDA graph can capture such
// work, and no other; what it needs in addition is memory of the graph.
//
// What kernels need between them is memory of the stream (scratch.h), which
// stays as large as it once had to be until clear_cache() frees it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "../host/queue.h"
#include "scratch.h"
#include "storage.h"

namespace upsweep {

using CudaStoragePtr = std::shared_ptr<CudaStorage>;

// What work on a GPU reads: a storage, and the storage that the GPU reads for
// it, which may be a copy that is yet to be filled.
struct CudaInput {
  StoragePtr storage;
  CudaStoragePtr on_device;
};

struct CudaWork {
  // Called once, or again if memory ran out. Its captures stay alive until the
  // GPU is done.
  std::function<void(cuda::Stream, CudaScratch&)> launch;
  std::vector<CudaInput> inputs;
  CudaStoragePtr output;
  ScratchSizes scratch;
};

class CudaStream {
 public:
  explicit CudaStream(CudaDevice& device);
  // Over another library's stream, which runs the work.
  CudaStream(CudaDevice& device, cuda::Stream stream)
      : device_(device),
        stream_(stream),
        is_lent_(true),
        scratch_(device, stream) {}

  // Gives memory to what work on the GPU will write, unless it has some.
  void prepare(CudaStorage& output) const;
  // Throws while a graph is captured: the result would be memory of the graph,
  // which may be launched, or destroyed, as long as the result lives.
  void check_owns_results() const;
  void run_on_gpu(CudaWork work);
  // Takes memory that another library owns. Work given to the stream from now
  // on may read it.
  void adopt(const CudaStoragePtr& storage);
  void run_on_host(Work work);
  void synchronize();
  void wait_until_idle();
  // Frees what kernels need between them, unless a thread is launching some.
  void free_scratch();

  cuda::Stream handle() const { return stream_; }
  bool is_lent() const { return is_lent_; }

 private:
  bool is_in_order(const CudaWork& work) const;
  bool is_captured() const;
  void check_not_captured() const;
  void check_graph_memory() const;
  bool keeps_scratch() const;
  void reserve(const ScratchSizes& sizes);
  void launch_in_order(const CudaWork& work);
  void launch_with_scratch(const CudaWork& work);
  CudaEventPtr launch(const CudaWork& work);
  CudaEventPtr mark();

  CudaDevice& device_;
  const cuda::Stream stream_;
  const bool is_lent_ = false;
  // Keeps the GPU in the order of the queue, and that of the scratch memory.
  std::mutex mutex_;
  CudaScratch scratch_;
  HostQueue host_;
};

}  // namespace upsweep
