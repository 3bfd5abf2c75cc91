// The scan of a whole plan on the CPU.
#pragma once

#include "../backend.h"

namespace upsweep {

// Runs on the calling thread and on those of the pool. The inputs are computed.
void run_scan(const ScanWork& work);

}  // namespace upsweep
