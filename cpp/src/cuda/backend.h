// The backend of CUDA.
#pragma once

#include <string>

#include "../core/backend.h"

namespace upsweep {

// nullptr if there is no NVIDIA GPU or no usable driver.
Backend* cuda_backend();
// Why there is none, or empty if there is nothing more to say.
std::string why_no_cuda();

}  // namespace upsweep
