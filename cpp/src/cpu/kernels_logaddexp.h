// The kernels of logaddexp of real numbers.
#pragma once

#include "lanes_logaddexp.h"
#include "tile_kernel.h"

namespace upsweep {
namespace {

const Kernel* find_kernel(Op, Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::float16:
      return &kKernel<LogAddExp<float16_t>>;
    case Dtype::Val::bfloat16:
      return &kKernel<LogAddExp<bfloat16_t>>;
    case Dtype::Val::float32:
      return &kKernel<LogAddExp<float>>;
    case Dtype::Val::float64:
      return &kKernel<LogAddExp<double>>;
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace upsweep
