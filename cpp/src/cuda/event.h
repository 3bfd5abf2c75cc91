// CudaEvent: a point of a CUDA stream that threads and other streams can wait
// for. An event that was never recorded counts as passed.
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

  // The event passes when all work given to the stream so far is done.
  void record(cuda::Stream stream);
  // Polls for a short while, because sleeping would take longer; returns
  // whether the event has passed.
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
