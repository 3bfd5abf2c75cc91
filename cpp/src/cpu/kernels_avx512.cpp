// Kernels for x86-64 with AVX-512 (F, BW, DQ and VL).
#include "system_headers.h"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(                                         \
    __attribute__((                                                   \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#define UPSWEEP_AVX2
#define UPSWEEP_AVX512

#include "tile_kernel.h"

namespace upsweep {

const Kernel& avx512_kernel(Op op, Dtype dtype) { return kernel_of(op, dtype); }

}  // namespace upsweep

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
