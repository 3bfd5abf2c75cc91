// kOperators: all operators, for tests of every one.
#pragma once

#include "core/op.h"

namespace upsweep {

#define UPSWEEP_OP(op, scan, result) Op::op,
constexpr Op kOperators[] = {UPSWEEP_OPERATORS(UPSWEEP_OP)};
#undef UPSWEEP_OP

}  // namespace upsweep
