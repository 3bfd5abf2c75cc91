// Checks of axes and shapes, with MLX's texts.
#pragma once

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

// The number of elements. Throws std::invalid_argument for a negative extent,
// and OutOfMemory where their bytes could not be counted.
int64_t checked_size(const char* op, const Shape& shape, Dtype dtype);

}  // namespace upsweep
