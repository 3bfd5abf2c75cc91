// The kernels that go lane by lane: complex64, and logaddexp of
// float16, bfloat16 and float32.
#include "../monoid/logaddexp.h"
#include "tile_kernel.h"

namespace upsweep {

namespace {

const Kernel& complex_kernel(Op op) {
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
      return kKernel<LogAddExp<complex64_t>>;
  }
  __builtin_unreachable();
}

}  // namespace

const Kernel& find_scalar_kernel(Op op, Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::complex64:
      return complex_kernel(op);
    case Dtype::Val::float16:
      return kKernel<LogAddExp<float16_t>>;
    case Dtype::Val::bfloat16:
      return kKernel<LogAddExp<bfloat16_t>>;
    default:
      return kKernel<LogAddExp<float>>;
  }
}

}  // namespace upsweep
