// Sending a message, on x86-64: finds the method of (receiver, selector) and
// jumps to it with all arguments where they were.
#ifndef __x86_64__
#error "The software Metal device runs on x86-64 only."
#endif

  .text
  .globl objc_msgSend, objc_msgSend_fpret, objc_msgSend_stret

// The arguments' registers, around a call of upsweep_emulator_find.
.macro find receiver, selector
  pushq %rbp
  movq %rsp, %rbp
  subq $192, %rsp
  movq %rdi, 0(%rsp)
  movq %rsi, 8(%rsp)
  movq %rdx, 16(%rsp)
  movq %rcx, 24(%rsp)
  movq %r8, 32(%rsp)
  movq %r9, 40(%rsp)
  movq %rax, 48(%rsp)
  movaps %xmm0, 64(%rsp)
  movaps %xmm1, 80(%rsp)
  movaps %xmm2, 96(%rsp)
  movaps %xmm3, 112(%rsp)
  movaps %xmm4, 128(%rsp)
  movaps %xmm5, 144(%rsp)
  movaps %xmm6, 160(%rsp)
  movaps %xmm7, 176(%rsp)
  movq \receiver, %rdi
  movq \selector, %rsi
  call upsweep_emulator_find@PLT
  movq %rax, %r11
  movq 0(%rsp), %rdi
  movq 8(%rsp), %rsi
  movq 16(%rsp), %rdx
  movq 24(%rsp), %rcx
  movq 32(%rsp), %r8
  movq 40(%rsp), %r9
  movq 48(%rsp), %rax
  movaps 64(%rsp), %xmm0
  movaps 80(%rsp), %xmm1
  movaps 96(%rsp), %xmm2
  movaps 112(%rsp), %xmm3
  movaps 128(%rsp), %xmm4
  movaps 144(%rsp), %xmm5
  movaps 160(%rsp), %xmm6
  movaps 176(%rsp), %xmm7
  leave
  jmpq *%r11
.endm

objc_msgSend:
objc_msgSend_fpret:
  testq %rdi, %rdi
  jz nothing
  find %rdi, %rsi

// A result larger than two registers: its address comes first.
objc_msgSend_stret:
  find %rsi, %rdx

// Messages to nil give zero.
nothing:
  xorl %eax, %eax
  xorl %edx, %edx
  xorps %xmm0, %xmm0
  ret

  .section .note.GNU-stack,"",@progbits
