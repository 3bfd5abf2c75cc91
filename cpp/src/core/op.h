// What is known of the operators, from the table in upsweep/operators.h.
#pragma once

#include "upsweep/operators.h"

namespace upsweep {

inline const char* scan_name(Op op) {
#define UPSWEEP_NAME(op, scan, result) #scan,
  constexpr const char* names[] = {UPSWEEP_OPERATORS(UPSWEEP_NAME)};
#undef UPSWEEP_NAME
  return names[static_cast<int>(op)];
}

}  // namespace upsweep
