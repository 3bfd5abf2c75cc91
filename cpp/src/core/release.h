// Releases the owners of adopted memory.
//
// A release function may do anything: a Python finaliser may even wait for the
// stream whose work held the memory last. So a thread that runs a stream's work
// never calls one, but queues it. A thread of its own empties the queue, and so
// does any thread that has just waited for a result; neither holds a lock. When
// a wait returns, owners that only the finished work kept alive are released.
#pragma once

#include <functional>

namespace upsweep {

// While one exists on a thread, release() on that thread queues the function
// instead of calling it.
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
