// The kernels of sums.
#pragma once

#include "lanes_associative.h"
#include "lanes_complex.h"
#include "lanes_double.h"
#include "lanes_narrow.h"
#include "tile_kernel.h"

namespace upsweep {
namespace {

// Modulo 2^k, signed and unsigned numbers have the same bits.
const Kernel* find_kernel(Op, Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::uint8:
    case Dtype::Val::int8:
      return &kKernel<Sum<uint8_t>>;
    case Dtype::Val::uint16:
    case Dtype::Val::int16:
      return &kKernel<Sum<uint16_t>>;
    case Dtype::Val::uint32:
    case Dtype::Val::int32:
      return &kKernel<Sum<uint32_t>>;
    case Dtype::Val::uint64:
    case Dtype::Val::int64:
      return &kKernel<Sum<uint64_t>>;
    case Dtype::Val::float16:
      return &kKernel<Sum<float16_t>>;
    case Dtype::Val::bfloat16:
      return &kKernel<Sum<bfloat16_t>>;
    case Dtype::Val::float32:
      return &kKernel<Sum<float>>;
    case Dtype::Val::float64:
      return &kKernel<Sum<double>>;
    case Dtype::Val::complex64:
      return &kKernel<Sum<complex64_t>>;
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace upsweep
