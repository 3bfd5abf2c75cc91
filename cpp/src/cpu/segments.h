// Runs a scan with resets on the threads of the pool.
#pragma once

#include "../core/backend.h"

namespace upsweep {

void run_segments(const ScanWork& work);

}  // namespace upsweep
