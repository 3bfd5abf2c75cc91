// What follows is compiled for any processor of the architecture: SSE2 on
// x86-64, NEON on arm64.
#include "system_headers.h"

#define UPSWEEP_TARGET
