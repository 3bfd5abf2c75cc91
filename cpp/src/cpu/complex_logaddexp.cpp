// The kernel of logaddexp of complex64, which goes lane by lane.
#include "../monoid/logaddexp.h"
#include "tile_kernel.h"

namespace upsweep {

const Kernel& complex_logaddexp() { return kKernel<LogAddExp<complex64_t>>; }

}  // namespace upsweep
