// Copies with any strides on the CPU, converting the dtype on the way.
#pragma once

#include "../core/backend.h"

namespace upsweep {

void run_copy(const CopyWork& work);

}  // namespace upsweep
