// What a monoid is, and the tools that all monoids share.
//
// A monoid M computes one (op, dtype). Its accumulator is wider than the dtype,
// and its results are those of a left-to-right loop, special values included
// (docs/guides/numerics.rst). It has
//
//   Value        the dtype's C++ type
//   Prefix       the result so far; the carry is the Prefix that enters a tile
//   Aggregate    the combination of neighbouring elements, without a carry
//   PrefixRange  the range of the prefixes of a tile, as try_apply needs it
//
//   initial()                 the Prefix before the first element
//   identity()                the Aggregate of no elements
//   value(p)                  p rounded to Value
//   advance(p, x)             p = p · x, left to right; returns value(p)
//   accumulate(a, x)          a = a · x
//   combine(a, next)          a = a · next
//   apply(p, a)               p · a, if no step leaves the dtype's range
//   include(range, a, x)      extends range by the prefix a, whose last element
//                             is x
//   append_range(range, a, next)
//                             extends range by the range of what follows a
//   try_apply(p, a, range)    applies a to p, or returns false if only a scan
//                             can tell the result
//   is_live(p), is_usable(a)  whether p, or a, is within the range
//   special_class(a)          what the elements do to a saturated prefix
//   add_class(range, c)       adds a special class to a range
//   propagate_special(p, c)   applies a special class to a saturated prefix
//
// A prefix that leaves the dtype's range is saturated: it stays zero, infinite
// or NaN. Only the special class of later elements affects it: of a factor its
// sign and whether it is zero, infinite or NaN; of a summand whether it is
// infinite or NaN. All other prefixes are live.
//
// If no step of a tile leaves the range, the carry after the tile is
// apply(carry, aggregate). try_apply proves this from the PrefixRange before
// the scan, so that the next tile can start early. The scan proves it too: the
// last prefix is live and the aggregate usable. Both give the same bits.
//
// kAssociative says that the operation is exact and associative. Then Aggregate
// is Prefix, combine(p, aggregate) carries over a tile, and nothing saturates.
#pragma once

#include <limits>
#include <type_traits>

#include "../core/half.h"
#include "../core/inline.h"

namespace upsweep {
namespace {

// The largest finite and the smallest positive number of a floating dtype.
template <class T>
struct Limits {
  static constexpr double max = std::numeric_limits<T>::max();
  static constexpr double min = std::numeric_limits<T>::denorm_min();
};
template <>
struct Limits<float16_t> {
  static constexpr double max = 65504;
  static constexpr double min = 0x1p-24;
};
template <>
struct Limits<bfloat16_t> {
  static constexpr double max = 0x1.fep127;
  static constexpr double min = 0x1p-133;
};

template <class T>
inline constexpr bool is_real =
    std::is_floating_point_v<T> || std::is_same_v<T, float16_t> ||
    std::is_same_v<T, bfloat16_t>;

// The one NaN of all results, so that bits never depend on which NaN was first.
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline double canonical(double x) { return x == x ? x : kNaN; }

// Neither zero nor infinite nor NaN.
inline bool is_live(double x) { return x != 0 && x - x == 0; }

// For monoids whose aggregates always apply: nothing saturates.
struct NoPrefixRange {};

template <class M>
inline constexpr bool kMaySaturate = [] {
  if constexpr (M::kAssociative) {
    return false;
  } else {
    return !std::is_same_v<typename M::PrefixRange, NoPrefixRange>;
  }
}();

}  // namespace
}  // namespace upsweep
