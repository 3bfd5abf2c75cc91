// The scan of a whole plan on the CPU.
#pragma once

#include "../core/backend.h"

namespace upsweep {

// Runs on the calling thread and on those of the pool. The input is ready.
void run_scan(const ScanWork& work);

}  // namespace upsweep
