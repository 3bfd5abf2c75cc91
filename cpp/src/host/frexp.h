// Cumulative products as mantissas and exponents.
#pragma once

#include "../core/backend.h"
#include "upsweep/carry.h"

namespace upsweep {

struct FrexpWork {
  Dtype dtype;  // a real one, of input and mantissas
  Plan plan;
  bool inclusive;
  int64_t in_offset;
  StoragePtr in;
  // The mantissas and, from exponent_offset (in int32) on, the exponents.
  StoragePtr out;
  int64_t exponent_offset;
  Initial initial;
};

void run_frexp(const FrexpWork& work);

}  // namespace upsweep
