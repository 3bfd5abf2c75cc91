// Counting elements without overflow.
#include "shape.h"

#include <algorithm>
#include <stdexcept>

#include "upsweep/error.h"

namespace upsweep {

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + ")";
}

int64_t element_count(std::span<const int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents) {
    if (extent == 0) return 0;
  }
  for (int64_t extent : extents) count *= extent;
  return count;
}

int64_t checked_size(const char* op, const Shape& shape, Dtype dtype) {
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0) {
      throw std::invalid_argument(std::string("[") + op +
                                  "] Negative dimensions not allowed.");
    }
    empty |= extent == 0;
  }
  if (empty) return 0;
  int64_t size = 1, bytes = static_cast<int64_t>(dtype.size());
  for (int64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      throw OutOfMemory(std::string("[") + op + "] Shape " + to_string(shape) +
                        " holds more bytes than can be addressed.");
    }
    size *= extent;
  }
  return size;
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step = wrapping_product(step, std::max<int64_t>(shape[i], 1));
  }
  return strides;
}

}  // namespace upsweep
