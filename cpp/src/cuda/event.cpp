// Waits for events: polls for a short while, then sleeps.
#include "event.h"

#include <chrono>

namespace upsweep {

using cuda::check;
using cuda::driver;

namespace {

// About as long as going to sleep and being woken takes.
constexpr std::chrono::microseconds kShortWhile{40};

}  // namespace

CudaEvent::CudaEvent(cuda::Context context) : context_(context) {
  cuda::Current current(context_);
  check(driver().create_event(&handle_, cuda::kBlockingSync | cuda::kNoTiming),
        "making an event");
}

// At exit the driver may already be gone.
CudaEvent::~CudaEvent() { driver().destroy_event(handle_); }

void CudaEvent::record(cuda::Stream stream) {
  check(driver().record(handle_, stream), "recording an event");
}

bool CudaEvent::spin_wait() const {
  using Clock = std::chrono::steady_clock;
  cuda::Current current(context_);
  Clock::time_point start = Clock::now();
  do {
    if (driver().query(handle_) == cuda::kSuccess) return true;
  } while (Clock::now() - start < kShortWhile);
  return false;
}

void CudaEvent::wait() const {
  if (spin_wait()) return;
  cuda::Current current(context_);
  check(driver().synchronize(handle_), "running kernels");
}

}  // namespace upsweep
