// CudaEvent: a moment of a CUDA stream, for threads and for other streams to
// wait for. One that was never recorded has come.
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

  // The moment when all that was given to the stream so far is done.
  void record(cuda::Stream stream);
  // Whether it comes within a short while, in which going to sleep would not
  // pay.
  bool comes_soon() const;
  // Throws the error of the work before it.
  void wait() const;

  cuda::Event handle() const { return handle_; }

 private:
  cuda::Context context_;
  cuda::Event handle_;
};

using CudaEventPtr = std::shared_ptr<CudaEvent>;

}  // namespace upsweep
