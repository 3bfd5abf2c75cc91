// Logical and, logical or: the products, minima and maxima of bool_.
//
// An element is a byte, and any byte but 0 is true. Other libraries hand over
// such bytes, and a C++ bool made of one has no defined value.
#pragma once

#include <cstdint>

#include "extremum.h"
#include "product.h"

namespace upsweep {
namespace {

template <bool conjunction>
struct Logical {
  static constexpr bool kExact = true;
  using Value = uint8_t;
  using Running = uint8_t;

  static Running start() { return conjunction; }
  static Value value(Running r) { return r; }
  static Value advance(Running& r, Value x) {
    bool is_true = x != 0;
    return r = conjunction ? r & is_true : r | is_true;
  }
  static void combine(Running& r, Running total) { advance(r, total); }
};

template <>
struct Product<bool> : Logical<true> {};
template <>
struct Extremum<bool, false> : Logical<true> {};
template <>
struct Extremum<bool, true> : Logical<false> {};

}  // namespace
}  // namespace upsweep
