// Copies of rows with any strides to memory without gaps.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace upsweep {
namespace {

template <class U>
struct StridedRows {
  const U* first;
  int64_t width;  // elements of a row
  int64_t lane;   // from element to element
  int64_t rows;
  int64_t step;  // from row to row
};

// complex64 is only aligned to its halves.
template <class U>
void copy_element(U* to, const U* from) {
  std::memcpy(to, from, sizeof(U));
}

// The step is a template argument where the compiler then has instructions for
// it.
constexpr int64_t kAnyStep = std::numeric_limits<int64_t>::min();
template <int64_t fixed, class U>
void copy_line(U* to, const U* from, int64_t step, int64_t n) {
  if constexpr (fixed != kAnyStep) step = fixed;
  if constexpr (fixed == 0) {
    // The compiler cannot know that `to` is elsewhere.
    U element;
    copy_element(&element, from);
    for (int64_t i = 0; i < n; ++i) copy_element(to + i, &element);
  } else {
    for (int64_t i = 0; i < n; ++i) copy_element(to + i, from + i * step);
  }
}

// Copies `rows` rows, row by row.
template <int64_t fixed, class U>
void copy_lines(U* to, const StridedRows<U>& from) {
  for (int64_t i = 0; i < from.rows; ++i) {
    copy_line<fixed>(to + i * from.width, from.first + i * from.step, from.lane,
                     from.width);
  }
}

// As copy_lines, column by column, where columns are closer in memory.
template <class U>
void copy_columns(U* to, const StridedRows<U>& from) {
  for (int64_t i = 0; i < from.width; ++i) {
    const U* column = from.first + i * from.lane;
    for (int64_t j = 0; j < from.rows; ++j) {
      copy_element(to + j * from.width + i, column + j * from.step);
    }
  }
}

template <class U>
void copy_rows(U* to, const StridedRows<U>& from) {
  if (std::abs(from.lane) > 2 && std::abs(from.step) < std::abs(from.lane)) {
    return copy_columns(to, from);
  }
  switch (from.lane) {
    case 1:
      return copy_lines<1>(to, from);
    case 2:
      return copy_lines<2>(to, from);
    case 0:
      return copy_lines<0>(to, from);
    case -1:
      return copy_lines<-1>(to, from);
    default:
      return copy_lines<kAnyStep>(to, from);
  }
}

}  // namespace
}  // namespace upsweep
