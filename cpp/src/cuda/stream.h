// CudaStream: work for a GPU and for the processors, in the order in which it
// was given.
//
// Work whose input the GPU has, or is about to have, is launched at once by the
// calling thread; CUDA's streams and events keep it in order. A queue on
// the host follows behind: it waits until the
// GPU is done, says that the output is there or why not, and lets go of what
// was in use. Whatever has to wait for processors first, because they compute
// the input or bring it to the GPU, is launched by that queue.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "../host/queue.h"
#include "storage.h"

namespace upsweep {

using CudaStoragePtr = std::shared_ptr<CudaStorage>;

// What work on a GPU reads: a storage, and where the GPU sees it, which may be
// another one that is yet to be filled from it.
struct CudaInput {
  StoragePtr storage;
  CudaStoragePtr on_device;
};

struct CudaWork {
  // What it holds stays alive until the GPU is done.
  std::function<void(cuda::Stream)> launch;
  CudaInput input;
  CudaStoragePtr output;
};

class CudaStream {
 public:
  explicit CudaStream(CudaDevice& device);

  void run_on_gpu(CudaWork work);
  // Memory that another library owns, readable by work that the stream is given
  // from now on.
  void take_over(const CudaStoragePtr& storage);
  void run_on_host(Work work);
  void synchronize() { host_.synchronize(); }
  void wait_until_idle() { host_.wait_until_idle(); }

  cuda::Stream handle() const { return stream_; }

 private:
  CudaEventPtr launch(const CudaWork& work);
  CudaEventPtr mark();

  CudaDevice& device_;
  cuda::Stream stream_ = nullptr;
  std::mutex mutex_;  // keeps the order the same everywhere
  HostQueue host_;
};

}  // namespace upsweep
