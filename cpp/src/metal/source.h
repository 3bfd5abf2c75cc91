// The source of metal/, embedded by cpp/cmake/embed_metal.cmake.
#pragma once

#include <string>

namespace upsweep {

// With these lines of kernels.def in place of all of them.
std::string metal_source(const std::string& kernels);

}  // namespace upsweep
