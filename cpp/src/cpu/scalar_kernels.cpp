// The kernels that go lane by lane: logaddexp of complex64, float16, bfloat16
// and float32.
#include "../monoid/logaddexp.h"
#include "tile_kernel.h"

namespace upsweep {

const Kernel& find_scalar_kernel(Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::complex64:
      return kKernel<LogAddExp<complex64_t>>;
    case Dtype::Val::float16:
      return kKernel<LogAddExp<float16_t>>;
    case Dtype::Val::bfloat16:
      return kKernel<LogAddExp<bfloat16_t>>;
    default:
      return kKernel<LogAddExp<float>>;
  }
}

}  // namespace upsweep
