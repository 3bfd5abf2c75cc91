// The kernels of metal/, compiled by nvcc and embedded by cpp/cmake/cuda.cmake:
// as images of one or two sets of them.
#pragma once

#include <cstddef>

namespace upsweep::cuda {

struct KernelImage {
  const char* set;   // as in kernels.def
  const void* data;  // a fatbin, which may have other sets too
};

extern const KernelImage kernel_images[];
extern const size_t kernel_image_count;

// Of the toolkit that made them: 13000 is 13.0.
int kernels_version();

}  // namespace upsweep::cuda
