// What a monoid is, and the tools that all of them share.
//
// A monoid M computes one (op, dtype). Its accumulator is wider than the dtype,
// and its results are those of a left-to-right loop, special values included
// (docs/guides/numerics.rst). It has
//
//   Value      the dtype's C++ type
//   Running    the result so far; what is handed from tile to tile (the carry)
//   Total      the combination of some neighbours, out of context
//   Range      where the prefixes of a tile go, as far as predict needs it
//
//   start()                     the Running before the first element
//   value(r)                    r rounded to Value
//   advance(r, x)               r = r · x, left to right; returns value(r)
//   fold(total, x)              total = total · x
//   append(total, next)         total = total · next
//   apply(r, total)             r · total, where that is known to be right
//   widen(range, total, x)      takes in the prefix total, which ends in x
//   extend(range, before, next) takes in the range of what follows `before`
//   predict(r, total, range)    carries r over a whole tile, or returns false
//                               where only a scan can tell where that leads
//   kind(total)                 what neighbours are to a dead carry, where
//                               their total is usable or they are kinds
//   mark(range, kind)           takes in only what a dead carry would meet
//   follow(r, kind)             takes a dead carry over neighbours
//   is_alive(r), usable(total)  see below
//
// Where no step of a tile leaves the range of the dtype, the carry behind it is
// apply(before, total). predict promises that from the Range, so that the next
// tile can start early; a scan finds it after the fact, by the carry being
// alive and the total usable. Both come to the same bits. A result that has
// left the range is dead: it stays zero, infinite or NaN, and of what follows
// only kinds matter: class and sign of a factor, infinity or NaN in a sum.
//
// kExact says that the operation is exact and associative: Total is Running,
// combine(r, total) is all there is to a tile, and nothing is ever dead.
#pragma once

#include <limits>
#include <type_traits>

#include "../core/half.h"

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
inline bool is_alive(double x) { return x != 0 && x - x == 0; }

// For monoids that can always be predicted.
struct NoRange {};

}  // namespace
}  // namespace upsweep
