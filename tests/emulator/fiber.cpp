// Switches stacks by hand: GPU threads meet so often that the system call of
// swapcontext would take most of the time.
#include "fiber.h"

#include <sys/mman.h>

#include <new>

extern "C" void upsweep_switch(void** from, void* to);

// Callee-saved registers go to the old stack and come from the new one. Neither
// the floating-point mode nor the signal mask changes.
#if defined(__x86_64__)
asm(R"(
.text
.type upsweep_switch, @function
upsweep_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size upsweep_switch, .-upsweep_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.type upsweep_switch, %function
upsweep_switch:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp], #160
  ret
.size upsweep_switch, .-upsweep_switch
)");
#else
#error "no fibers for this processor"
#endif

namespace upsweep::emulator {

namespace {

constexpr size_t kStack = 64 << 10;
constexpr size_t kGuard = 4 << 10;

}  // namespace

Fiber::Fiber(uint32_t index) {
  mapping_ = mmap(nullptr, kGuard + kStack, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  mprotect(mapping_, kGuard, PROT_NONE);
  stack_ = static_cast<char*>(mapping_) + kGuard + kStack - index * 832 % 4096;
}

Fiber::~Fiber() {
  if (mapping_) munmap(mapping_, kGuard + kStack);
}

void Fiber::prepare(void (*run)()) {
  auto* top = reinterpret_cast<void**>(stack_);
#if defined(__x86_64__)
  // As after a call: the return address, below an aligned address.
  top -= 2;
  *top = reinterpret_cast<void*>(run);
  top_ = top - 6;
#else
  top -= 20;
  top[1] = reinterpret_cast<void*>(run);
  top_ = top;
#endif
}

void Fiber::change(Fiber& from, Fiber& to) {
  upsweep_switch(&from.top_, to.top_);
}

}  // namespace upsweep::emulator
