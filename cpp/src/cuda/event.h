// CudaEvent: a point of a CUDA stream, for threads and for other streams to
// wait for. An event that was never recorded has passed.
#pragma once

#include <memory>

#include "driver.h"

namespace upsweep {

class CudaEvent {
 public:
  explicit CudaEvent(cuda::Context context);
  ~CudaEvent();
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // The event passes when all work that the stream has so far is done.
  void record(cuda::Stream stream);
  // Whether it passes within a short while; sleeping would take longer.
  bool spin_wait() const;
  // Throws the error of the work before it.
  void wait() const;

  cuda::Event handle() const { return handle_; }

 private:
  cuda::Context context_;
  cuda::Event handle_;
};

using CudaEventPtr = std::shared_ptr<CudaEvent>;

}  // namespace upsweep
