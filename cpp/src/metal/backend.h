// Apple GPUs as a backend.
#pragma once

#include "../core/backend.h"

namespace upsweep {

// nullptr if the system has no GPU that upsweep can use.
Backend* metal_backend();

}  // namespace upsweep
