// The backend of CUDA.
#pragma once

#include <string>

#include "../core/backend.h"

namespace upsweep {

// nullptr where there is no NVIDIA GPU, or no driver that can be used.
Backend* cuda_backend();
// Why not, where that is worth telling; else empty.
std::string why_no_cuda();

}  // namespace upsweep
