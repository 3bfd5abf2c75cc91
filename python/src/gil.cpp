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
thread_local int given_up = 0;  // by this thread

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

// What a thread that the interpreter ends does instead: no handler may leave
// that exception, and no destructor should run on its way.
[[noreturn]] void sleep_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Whether the calling thread has it. PyGILState_Ensure would wait for itself
// where a thread has it in the name of a subinterpreter.
bool has_gil() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyThreadState_GetDict() != nullptr;
#else
  // Subinterpreters have the last one say yes at all times.
  return given_up == 0 && PyGILState_GetThisThreadState() && PyGILState_Check();
#endif
}

// Calls f with the GIL, or not at all once the interpreter is on its way out.
template <class F>
void with_gil(const F& f) {
  if (has_gil()) return f();
  if (!begin_asking()) return;
  PyGILState_STATE state;
  try {
    state = PyGILState_Ensure();
  } catch (...) {
    sleep_for_ever();
  }
  f();
  PyGILState_Release(state);
  --asking;
}

}  // namespace

WithoutGil::WithoutGil() : state_(PyEval_SaveThread()) { ++given_up; }

WithoutGil::~WithoutGil() {
  try {
    PyEval_RestoreThread(state_);
  } catch (...) {
    sleep_for_ever();
  }
  --given_up;
}

std::shared_ptr<void> own(void* object, void (*release)(void*)) {
  return {object,
          [release](void* owned) { with_gil([&] { release(owned); }); }};
}

void init_releases() {
  run_releases_within([](void (*run)()) { with_gil(run); });
}

void stop_asking_for_gil(bool wait_for_others) {
  leaver = std::this_thread::get_id();
  leaving = true;
  if (!wait_for_others) return;
  PyThreadState* state = PyEval_SaveThread();
  while (asking > 0) std::this_thread::yield();
  PyEval_RestoreThread(state);
}

}  // namespace upsweep::python
