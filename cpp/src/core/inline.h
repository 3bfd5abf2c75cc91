// UPSWEEP_INLINE: for functions that run for every element or row. A call would
// keep in memory what belongs in registers.
#pragma once

#define UPSWEEP_INLINE __attribute__((always_inline))
