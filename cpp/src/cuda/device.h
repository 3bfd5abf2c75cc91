// CudaDevice: one GPU, its context, memory and kernels.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "../host/allocator.h"
#include "driver.h"
#include "event.h"
#include "upsweep/device.h"

namespace upsweep {

class CudaDevice {
 public:
  explicit CudaDevice(int index);

  upsweep::Device name() const { return {DeviceType::gpu, index_}; }
  DeviceInfo info() const;

  // The context that CUDA's runtime shares among all libraries.
  cuda::Context context() const { return context_; }

  // Whether memory can be allocated and freed in the order of a stream.
  bool has_pools() const { return has_pools_; }

  cuda::Address allocate(size_t nbytes);
  void free(cuda::Address address, size_t nbytes) noexcept;
  // Of what was allocated for the graph that captures the stream. After the
  // capture it stays the graph's, which may still run.
  void free_in_graph(cuda::Address address, cuda::Stream stream) noexcept;

  // Copies between main memory of any kind and the device's. Each returns when
  // the copy is done.
  void upload(cuda::Address to, const void* from, size_t nbytes);
  void download(void* to, cuda::Address from, size_t nbytes);
  // The same from another device's memory, without main memory in between
  // where the machine links the two.
  void copy_from(CudaDevice& peer, cuda::Address to, cuda::Address from,
                 size_t nbytes);

  // <stage>_<set>, loaded when first needed.
  cuda::Function function(const std::string& stage, const std::string& set);

 private:
  // Pinned main memory, which the device reads and writes directly: one half is
  // filled while the other is in transfer.
  struct Half {
    void* pinned = nullptr;
    CudaEventPtr free;
  };
  void open_staging();
  void enable(const CudaDevice& peer);

  int index_;
  int handle_;
  cuda::Context context_;
  bool has_pools_;
  Allocator::Source source_;

  std::mutex staging_;  // guards what follows
  cuda::Stream transfers_ = nullptr;
  Half halves_[2];
  std::set<int> peers_;  // those that were enabled, as far as they can be

  std::mutex mutex_;  // guards what follows
  std::map<std::string, cuda::Function> functions_;
};

// The GPUs that the driver reports, found at the first call.
size_t cuda_device_count();
CudaDevice& cuda_device(int index);

}  // namespace upsweep
