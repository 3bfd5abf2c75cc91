// Checks of axes and shapes, with MLX's texts.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "upsweep/array.h"

namespace upsweep {

// The axis counted from the front; throws std::out_of_range.
inline int normalize_axis(const char* op, int axis, int ndim) {
  if (axis < -ndim || axis >= ndim) {
    throw std::out_of_range(std::string("[") + op + "] Axis " +
                            std::to_string(axis) +
                            " is out of bounds for array with " +
                            std::to_string(ndim) + " dimensions.");
  }
  return axis < 0 ? axis + ndim : axis;
}

// "(2,3)", as MLX writes shapes in its messages.
inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + ")";
}

// The number of elements of some axes. Without any of them there are none, even
// where the extents of the others are beyond counting.
inline int64_t element_count(std::span<const int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents) {
    if (extent == 0) return 0;
  }
  for (int64_t extent : extents) count *= extent;
  return count;
}

// a · b modulo 2^64: strides of an array without elements may not fit.
inline int64_t wrapping_product(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) *
                              static_cast<uint64_t>(b));
}

// The number of elements. Throws std::invalid_argument for a negative extent,
// and OutOfMemory where their bytes could not be counted.
int64_t checked_size(const char* op, const Shape& shape, Dtype dtype);

}  // namespace upsweep
