// The kernels of maxima and minima, and of all scans of bool_.
#pragma once

#include "lanes_associative.h"
#include "lanes_complex_extremum.h"
#include "tile_kernel.h"

namespace upsweep {
namespace {

// Whether a scan is a maximum; else it is a minimum. No default: the compiler
// then warns of a new operator.
bool is_maximum(Op op) {
  switch (op) {
    case Op::max:
      return true;
    case Op::min:
    case Op::prod:  // of bool_, the only product here
      return false;
    case Op::sum:  // of bool_ both have another dtype
    case Op::logaddexp:
      break;
  }
  __builtin_unreachable();
}

template <class T>
const Kernel* maximum_or_minimum(Op op) {
  return is_maximum(op) ? &kKernel<Extremum<T, true>>
                        : &kKernel<Extremum<T, false>>;
}

// All four orders of one size are the signed maximum of keys.
template <class T>
const Kernel* key_maximum(Op op, bool is_signed) {
  constexpr uint64_t kSign = uint64_t{1} << (8 * sizeof(T) - 1);
  constexpr uint64_t kAll = kSign | (kSign - 1);
  if (is_maximum(op)) {
    return is_signed ? &kKernel<KeyMaximum<T>, 0>
                     : &kKernel<KeyMaximum<T>, kSign>;
  }
  return is_signed ? &kKernel<KeyMaximum<T>, kAll>
                   : &kKernel<KeyMaximum<T>, kAll ^ kSign>;
}

const Kernel* find_kernel(Op op, Dtype dtype) {
  bool is_signed = dtype.kind() == Dtype::Kind::sint;
  switch (dtype.val) {
    case Dtype::Val::bool_:
      return is_maximum(op) ? &kKernel<TruthMaximum, 0>
                            : &kKernel<TruthMaximum, 1>;
    case Dtype::Val::uint8:
    case Dtype::Val::int8:
      return key_maximum<int8_t>(op, is_signed);
    case Dtype::Val::uint16:
    case Dtype::Val::int16:
      return key_maximum<int16_t>(op, is_signed);
    case Dtype::Val::uint32:
    case Dtype::Val::int32:
      return key_maximum<int32_t>(op, is_signed);
    case Dtype::Val::uint64:
    case Dtype::Val::int64:
      return key_maximum<int64_t>(op, is_signed);
    case Dtype::Val::float16:
      return maximum_or_minimum<float16_t>(op);
    case Dtype::Val::bfloat16:
      return maximum_or_minimum<bfloat16_t>(op);
    case Dtype::Val::float32:
      return maximum_or_minimum<float>(op);
    case Dtype::Val::float64:
      return maximum_or_minimum<double>(op);
    case Dtype::Val::complex64:
      return maximum_or_minimum<complex64_t>(op);
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace upsweep
