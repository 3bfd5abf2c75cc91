// Checks an axis, with MLX's error message.
#pragma once

#include <stdexcept>
#include <string>

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

}  // namespace upsweep
