// Isa: the instruction set whose kernels run, chosen once.
#pragma once

#include <span>

#include "adjoint_kernel.h"
#include "frexp_kernel.h"
#include "gradient_kernel.h"
#include "kernels.h"
#include "recurrence_kernel.h"

namespace upsweep {

struct Isa {
  using FindKernel = const Kernel* (*)(Op op, Dtype dtype);

  const char* name;
  bool (*supported)();  // by this processor
  FindKernel find_prod;
  FindKernel find_sum;
  FindKernel find_max;  // and min
  FindKernel find_logaddexp;
  const RecurrenceKernel& (*recurrence)(Dtype dtype);
  const FrexpKernel& (*frexp)(Dtype dtype);
  const GradientKernel& (*gradient)(Dtype dtype, Derivative kind);
  const AdjointKernel& (*adjoint)(Dtype dtype);

  // There is one for every (op, dtype) but these: sums of bool_ are sums of
  // int32, and logaddexp of integers is one of float32.
  const Kernel& kernel(Op op, Dtype dtype) const;
};

// Those of this build, best first.
std::span<const Isa> isas();

// The best that the processor supports, or the one that UPSWEEP_CPU_ISA names.
// Throws std::invalid_argument where that is none of this build's, and
// std::runtime_error where the processor lacks it.
const Isa& isa();

}  // namespace upsweep
