// Lets go of other libraries' memory: with the GIL, from whatever thread drops
// the last array, and safely while the interpreter shuts down.
#include <atomic>
#include <thread>

#include "bindings.h"

namespace upsweep::python {

namespace {

// A thread that asks a finalising interpreter for the GIL never comes back, so
// releases are counted: leaving waits for those under way, and later ones are
// dropped with the process.
std::atomic<bool> leaving{false};
std::atomic<int> under_way{0};

}  // namespace

std::function<void()> with_gil(std::function<void()> release) {
  return [release = std::move(release)] {
    ++under_way;
    if (!leaving) {
      nb::gil_scoped_acquire acquire;
      release();
    }
    --under_way;
  };
}

void stop_releasing() {
  leaving = true;
  nb::gil_scoped_release release;
  while (under_way > 0) std::this_thread::yield();
}

}  // namespace upsweep::python
