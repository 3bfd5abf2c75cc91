// Shapes and strides: counting elements, contiguous layouts, and their text.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "upsweep/array.h"

namespace upsweep {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// a · b modulo 2^64: the strides of an empty array may overflow.
inline int64_t wrapping_product(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) *
                              static_cast<uint64_t>(b));
}

// "(2,3)", as MLX writes shapes in its messages.
std::string to_string(const Shape& shape);

// The number of elements. An extent of 0 gives 0, even where the product of the
// other extents overflows.
int64_t element_count(std::span<const int64_t> extents);

// The number of elements. Throws std::invalid_argument for a negative extent,
// and OutOfMemory if 64 bits cannot count their bytes.
int64_t checked_size(const char* op, const Shape& shape, Dtype dtype);

// The strides of a contiguous array.
Strides contiguous_strides(const Shape& shape);

}  // namespace upsweep
