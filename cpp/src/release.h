// Releases: where the owners of adopted memory are let go of.
//
// What a release function does is its owner's business. A finaliser of Python
// may well wait for the stream whose work held the memory last, so a thread
// that runs a stream's work never calls one. It leaves the function to be
// called where no lock and no unfinished work is held: by a thread that does
// nothing else, or by whoever waits for a result, once that is there, so that
// after a wait the owners of what it took are gone.
#pragma once

#include <functional>

namespace upsweep {

// While it lives, release functions that its thread comes upon are left for
// later.
class ReleaseLater {
 public:
  ReleaseLater();
  ~ReleaseLater();
  ReleaseLater(const ReleaseLater&) = delete;
  ReleaseLater& operator=(const ReleaseLater&) = delete;

 private:
  bool before_;
};

// Calls the function, now or later.
void release(std::function<void()> function) noexcept;

// Calls those that are due. One that is itself called from here finds none.
void run_due_releases() noexcept;

}  // namespace upsweep
