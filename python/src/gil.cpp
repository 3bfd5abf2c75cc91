// The GIL: given up while waiting, taken to let go of other libraries' memory,
// and left alone once the interpreter is on its way out.
//
// A thread that asks a finalising interpreter for the GIL is ended on the spot,
// before Python 3.14 by unwinding its stack, which C++ answers by ending the
// process. Two kinds of threads ask:
//
//   those of Python, which had it before, may be what a handler at exit waits
//   for, and so they ask as long as there is somebody to ask. Whoever is to be
//   unwound stops there and sleeps, as from Python 3.14 on;
//
//   any thread that lets go of Python's memory, of which the interpreter may
//   know nothing. These are counted: leaving waits for them, and whoever comes
//   later leaves the memory to the end of the process.
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "bindings.h"

namespace upsweep::python {

namespace {

std::atomic<bool> leaving{false};
std::atomic<std::thread::id> leaver;
std::atomic<int> asking{0};

// A forked child has none of the threads that were asking.
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { asking = 0; });

// Whether the calling thread may ask; the caller then says when it has done.
bool begin_asking() {
  ++asking;
  if (!leaving || leaver == std::this_thread::get_id()) return true;
  --asking;
  return false;
}

}  // namespace

WithoutGil::WithoutGil() : state_(PyEval_SaveThread()) {}

WithoutGil::~WithoutGil() {
  try {
    PyEval_RestoreThread(state_);
  } catch (...) {  // the end of the thread, which no handler may leave
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

std::shared_ptr<void> own(void* object, void (*release)(void*)) {
  return {object, [release](void* owned) {
            if (!begin_asking()) return;
            {
              nb::gil_scoped_acquire acquire;
              release(owned);
            }
            --asking;
          }};
}

void stop_asking_for_gil() {
  leaver = std::this_thread::get_id();
  leaving = true;
  PyThreadState* state = PyEval_SaveThread();
  while (asking > 0) std::this_thread::yield();
  PyEval_RestoreThread(state);
}

}  // namespace upsweep::python
