// What follows is compiled for x86-64 with AVX-512 (F, BW, DQ and VL).
#include "system_headers.h"

#if defined(__x86_64__)
#define UPSWEEP_TARGET
#define UPSWEEP_AVX2
#define UPSWEEP_AVX512

#if defined(__clang__)
#pragma clang attribute push(                                         \
    __attribute__((                                                   \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#endif
