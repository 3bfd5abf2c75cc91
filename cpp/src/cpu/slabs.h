// Slabs: how the CPU scans many short lines.
//
// A slab is what has the same index along all axes before the scanned one: the
// rows of its lines, without gaps in the result. Where slabs are small, each
// lane of a register takes slabs of its own, however few elements a row has.
#pragma once

#include "../core/backend.h"

namespace upsweep {

// Whether a scan is one of slabs. It depends on shape and dtype only.
bool are_slabs(const ScanWork& work);

// Such a scan.
void run_slabs(const ScanWork& work);

}  // namespace upsweep
