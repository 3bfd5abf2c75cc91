// FloatMode: while it lives, this thread rounds to nearest and keeps subnormal
// numbers, whatever the application has set.
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace upsweep {

class FloatMode {
 public:
  FloatMode() : before_(read()) {
    if (before_ != kDefault) write(kDefault);
  }
  ~FloatMode() {
    if (before_ != kDefault) write(before_);
  }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
#if defined(__x86_64__)
  using Register = unsigned;
  // All exceptions masked; the low bits only record which have happened.
  static constexpr Register kDefault = 0x1f80;
  static Register read() { return _mm_getcsr() & ~Register{0x3f}; }
  static void write(Register value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
  using Register = uint64_t;
  static constexpr Register kDefault = 0;
  static Register read() {
    Register value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(Register value) {
    asm volatile("msr fpcr, %0" ::"r"(value));
  }
#else
  using Register = int;
  static constexpr Register kDefault = 0;
  static Register read() { return kDefault; }
  static void write(Register) {}
#endif
  Register before_;
};

}  // namespace upsweep
