// Event: says once that a piece of work is done, or with which error it failed.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

namespace upsweep {

// Counts the forks this process is away from the one that loaded the library.
// Work that was under way at a fork has no thread in the child to finish it.
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
  // Throws the error of the work; throws std::runtime_error where the work was
  // lost in a fork.
  void wait() const;

  void signal() { settle(kDone); }
  void fail(std::exception_ptr error) {
    error_ = std::move(error);
    settle(kFailed);
  }
  // To be set before others see the event. wait() first calls spin_wait, which
  // returns whether the work was done within a short while: that is faster than
  // to be woken by the thread that signals the event.
  void set_fast_wait(std::function<bool()> spin_wait) {
    spin_wait_ = std::move(spin_wait);
  }

 private:
  enum State : uint32_t { kPending, kDone, kFailed };

  void settle(State state) const {
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
