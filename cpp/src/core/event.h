// Event: reports once that a piece of work is done, or the error it failed
// with.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

namespace upsweep {

// The number of forks between the process that loaded the library and this one.
// In a forked child, no thread is left to finish work that was under way.
uint32_t fork_generation();

class Event {
 public:
  static constexpr struct Done {
  } done{};

  Event() : state_(kPending), generation_(fork_generation()) {}
  explicit Event(Done) : state_(kDone), generation_(0) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  bool is_ready() const {
    return state_.load(std::memory_order_acquire) != kPending;
  }
  // Throws the error of the work; throws std::runtime_error if a fork lost the
  // work.
  void wait() const;

  void signal() { finish(kDone); }
  void fail(std::exception_ptr error) {
    error_ = std::move(error);
    finish(kFailed);
  }
  // Must be set before others see the event. wait() first calls spin_wait,
  // which polls for a short while and returns whether the work is done: that is
  // faster than being woken by the thread that signals the event.
  void set_fast_wait(std::function<bool()> spin_wait) {
    spin_wait_ = std::move(spin_wait);
  }

 private:
  enum State : uint32_t { kPending, kDone, kFailed };

  void finish(State state) const {
    uint32_t pending = kPending;
    if (state_.compare_exchange_strong(pending, state,
                                       std::memory_order_release,
                                       std::memory_order_relaxed)) {
      state_.notify_all();
    }
  }

  mutable std::atomic<uint32_t> state_;
  uint32_t generation_;
  std::exception_ptr error_;
  std::function<bool()> spin_wait_;
};

}  // namespace upsweep
