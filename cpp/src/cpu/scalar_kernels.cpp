// The kernels that go lane by lane: complex64, and logaddexp of
// float16, bfloat16 and float32.
#include "../monoid/logaddexp.h"
#include "tile_kernel.h"

namespace upsweep {

namespace {

const Kernel& logaddexp_kernel(Dtype dtype) {
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

}  // namespace

// No default: the compiler then warns of an operator without a kernel. Most
// operators come here with complex64 only.
const Kernel& find_scalar_kernel(Op op, Dtype dtype) {
  switch (op) {
    case Op::prod:
      return kKernel<Product<complex64_t>>;
    case Op::sum:
      return kKernel<Sum<complex64_t>>;
    case Op::max:
      return kKernel<Extremum<complex64_t, true>>;
    case Op::min:
      return kKernel<Extremum<complex64_t, false>>;
    case Op::logaddexp:
      return logaddexp_kernel(dtype);
  }
  __builtin_unreachable();
}

}  // namespace upsweep
