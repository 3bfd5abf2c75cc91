// The GIL: given up while waiting, taken to let go of other libraries' memory,
// and left alone once the interpreter is on its way out.
//
// A thread that asks a finalising interpreter for the GIL is ended on the spot,
// which C++ answers by ending the process. So those that ask are counted:
// leaving waits for them, and threads that come later sleep until the process
// ends, as they do by themselves from Python 3.14 on.
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
  while (!begin_asking()) std::this_thread::sleep_for(std::chrono::hours(1));
  PyEval_RestoreThread(state_);
  --asking;
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
