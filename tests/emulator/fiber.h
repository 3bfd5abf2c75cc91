// Fiber: a stack and a point to resume from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace upsweep::emulator {

class Fiber {
 public:
  // Stacks of different indices use different sets of the processor's caches.
  explicit Fiber(uint32_t index);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next switch to it calls `run`, which never returns. The fiber forgets
  // what it was doing before.
  void prepare(void (*run)());

  // Leaves `from`, until something switches back to it.
  static void change(Fiber& from, Fiber& to);

  // A fiber for the thread that calls it, without a stack.
  struct Here {};
  explicit Fiber(Here) {}

 private:
  void* mapping_ = nullptr;
  char* stack_ = nullptr;  // its upper end
  void* top_ = nullptr;    // of what is on it
};

}  // namespace upsweep::emulator
