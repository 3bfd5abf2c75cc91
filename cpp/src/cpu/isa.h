// Isa: the instruction set whose kernels run, chosen once.
#pragma once

#include <span>

#include "kernels.h"

namespace upsweep {

struct Isa {
  const char* name;
  bool (*supported)();  // by this processor
  const Kernel& (*kernel)(Op op, Dtype dtype);
};

// Those of this build, best first.
std::span<const Isa> isas();

// The best that the processor supports, or the one that UPSWEEP_CPU_ISA names.
// Throws std::invalid_argument where that is none of this build's, and
// std::runtime_error where the processor lacks it.
const Isa& isa();

}  // namespace upsweep
