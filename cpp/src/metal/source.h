// The source of metal/, embedded by cpp/cmake/embed_metal.cmake.
#pragma once

#include <string>

namespace upsweep {

// The source with these lines instead of those of kernels.def.
std::string metal_source(const std::string& kernels);

}  // namespace upsweep
