// Releases the owners of adopted memory.
//
// A release function may do anything: a finaliser in Python may wait for the
// stream whose work held the memory last. So a thread that runs a stream's work
// never calls one; it queues it. Two kinds of thread call what is queued, and
// neither holds a lock or has unfinished work: one that does nothing else, and
// any thread that has just waited for a result. After a wait, then, the owners
// that only that work kept alive are gone.
#pragma once

#include <functional>

namespace upsweep {

// While it lives, release() on its thread queues functions.
class ReleaseLater {
 public:
  ReleaseLater();
  ~ReleaseLater();
  ReleaseLater(const ReleaseLater&) = delete;
  ReleaseLater& operator=(const ReleaseLater&) = delete;

 private:
  bool before_;
};

// Calls the function, or queues it.
void release(std::function<void()> function) noexcept;

// Calls the functions in the queue. Does nothing inside such a function.
void run_due_releases() noexcept;

}  // namespace upsweep
