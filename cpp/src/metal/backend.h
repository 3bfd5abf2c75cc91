// Apple GPUs as a backend.
#pragma once

#include "../core/backend.h"

namespace upsweep {

// nullptr where the system has no GPU.
Backend* metal_backend();

}  // namespace upsweep
