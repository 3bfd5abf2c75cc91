// Computes what lines amount to, on the threads of the pool.
#pragma once

#include "../core/backend.h"

namespace upsweep {

void run_carry(const CarryWork& work);

}  // namespace upsweep
