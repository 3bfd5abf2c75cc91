// Releases: where the owners of adopted memory are let go of.
//
// A release function may do anything: a finaliser in Python may wait for the
// very stream whose work held the memory last. A thread that runs a stream's
// work therefore never calls one, but queues it. Two kinds of threads call what
// is queued, neither of which holds a lock or unfinished work: one that does
// nothing else, and any thread that has just waited for a result. So after a
// wait, the owners that only this work kept alive are gone.
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

// Calls the functions in the queue. Does nothing within such a call.
void run_due_releases() noexcept;

}  // namespace upsweep
