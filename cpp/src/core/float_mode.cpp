// The control register of floating-point arithmetic, per architecture.
#include "upsweep/float_mode.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace upsweep {

namespace {

#if defined(__x86_64__)
// All exceptions masked; the low bits only record which have happened.
constexpr uint64_t kDefault = 0x1f80;
uint64_t read() { return _mm_getcsr() & ~0x3fu; }
void write(uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
constexpr uint64_t kDefault = 0;
uint64_t read() {
  uint64_t value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void write(uint64_t value) { asm volatile("msr fpcr, %0" ::"r"(value)); }
#else
constexpr uint64_t kDefault = 0;
uint64_t read() { return kDefault; }
void write(uint64_t) {}
#endif

}  // namespace

FloatMode::FloatMode() : before_(read()) {
  if (before_ != kDefault) write(kDefault);
}

FloatMode::~FloatMode() {
  if (before_ != kDefault) write(before_);
}

}  // namespace upsweep
