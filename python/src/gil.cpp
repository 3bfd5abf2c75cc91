// The GIL: released while waiting, acquired to release other libraries' memory,
// and not touched once the interpreter is shutting down.
//
// A finalising interpreter ends any thread that asks for the GIL. Before Python
// 3.14 it does so by unwinding the stack, which makes C++ end the process. Two
// kinds of thread ask:
//
//   Python's own threads, which had it before. A handler at exit may be
//   waiting for one, so they always ask. One that would be unwound sleeps
//   instead, as from Python 3.14 on;
//
//   threads that release Python's memory, which the interpreter may not know.
//   They are counted: shutdown waits for them, and later ones leave the
//   memory to the end of the process.
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

// Whether the calling thread may ask; if so, the caller decrements `asking`
// when it is done.
bool begin_asking() {
  ++asking;
  if (!leaving || leaver == std::this_thread::get_id()) return true;
  --asking;
  return false;
}

// What a thread does instead of being unwound: no handler may swallow that
// exception, and no destructor should run.
[[noreturn]] void sleep_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Whether the calling thread has the GIL. If it has that of a subinterpreter,
// PyGILState_Ensure would deadlock.
bool has_gil() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyThreadState_GetDict() != nullptr;
#else
  // With subinterpreters PyGILState_Check always returns true.
  return given_up == 0 && PyGILState_GetThisThreadState() && PyGILState_Check();
#endif
}

// Calls f with the GIL, or not at all once the interpreter is shutting down.
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
