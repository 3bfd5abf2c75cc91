// The kernels that go lane by lane: those of complex64.
#include "../monoid/logaddexp.h"
#include "tile_kernel.h"

namespace upsweep {

// No default: the compiler then warns of an operator without a kernel.
const Kernel& find_scalar_kernel(Op op) {
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

}  // namespace upsweep
