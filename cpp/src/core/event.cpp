// Waits for an event, and detects that a fork has lost its work.
#include "event.h"

#include <pthread.h>

#include <stdexcept>

namespace upsweep {

namespace {
std::atomic<uint32_t> generation{0};
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });
}  // namespace

uint32_t fork_generation() {
  return generation.load(std::memory_order_relaxed);
}

void Event::wait() const {
  uint32_t state = state_.load(std::memory_order_acquire);
  if (state == kPending && spin_wait_ && generation_ == fork_generation() &&
      spin_wait_()) {
    finish(kDone);
    state = state_.load(std::memory_order_acquire);
  }
  while (state == kPending) {
    if (generation_ != fork_generation()) {
      throw std::runtime_error(
          "[wait] The array was still being computed when the process forked; "
          "compute it again in the child.");
    }
    state_.wait(kPending, std::memory_order_acquire);
    state = state_.load(std::memory_order_acquire);
  }
  if (state == kFailed) std::rethrow_exception(error_);
}

}  // namespace upsweep
