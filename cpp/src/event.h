// Event: says once that a piece of work is done, or with which error it failed.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

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

 private:
  enum State : uint32_t { kPending, kDone, kFailed };

  void settle(State state) {
    state_.store(state, std::memory_order_release);
    state_.notify_all();
  }

  std::atomic<uint32_t> state_;
  uint32_t generation_;
  std::exception_ptr error_;
};

}  // namespace upsweep
