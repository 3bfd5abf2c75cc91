// What follows is compiled for x86-64 with AVX2, FMA and F16C.
#include "system_headers.h"

#if defined(__x86_64__)
#define UPSWEEP_TARGET
#define UPSWEEP_AVX2

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#endif
