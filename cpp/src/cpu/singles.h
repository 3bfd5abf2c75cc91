// Scans along an axis of one element.
#pragma once

#include "../core/backend.h"

namespace upsweep {

// Whether run_singles can run the work.
bool are_singles(const ScanWork& work);

void run_singles(const ScanWork& work);

}  // namespace upsweep
