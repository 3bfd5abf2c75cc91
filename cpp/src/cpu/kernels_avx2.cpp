// Kernels for x86-64 with AVX2, FMA and F16C.
#include "system_headers.h"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#define UPSWEEP_AVX2

#include "tile_kernel.h"

namespace upsweep {

const Kernel& avx2_kernel(Op op, Dtype dtype) { return kernel_of(op, dtype); }

}  // namespace upsweep

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
