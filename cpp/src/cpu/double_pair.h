// DoublePair: lanes of unevaluated sums of two doubles, and what products and
// sums of float64 do with them.
#pragma once

#include "lanes.h"

namespace upsweep {
namespace {

// hi + lo. kRows steps keep lo small enough without normalising.
template <int n>
struct DoublePair {
  static constexpr int kSize = n;
  Pack<double, n> hi, lo;

  DoublePair() = default;
  DoublePair(const Pack<double, n>& high, const Pack<double, n>& low)
      : hi(high), lo(low) {}
  // gcc compiles implicit constructors for the baseline instruction set.
  DoublePair(const DoublePair& other) : hi(other.hi), lo(other.lo) {}
  DoublePair& operator=(const DoublePair& other) {
    hi = other.hi;
    lo = other.lo;
    return *this;
  }
};

template <int n>
UPSWEEP_INLINE inline auto part(const DoublePair<n>& a, int i) {
  auto hi = part(a.hi, i);
  return DoublePair<hi.kSize>{hi, part(a.lo, i)};
}
template <int d, bool second, int n>
UPSWEEP_INLINE inline DoublePair<n> runs(const DoublePair<n>& a,
                                         const DoublePair<n>& b) {
  return {runs<d, second>(a.hi, b.hi), runs<d, second>(a.lo, b.lo)};
}

template <class M>
struct DoubleOp;

template <>
struct DoubleOp<Product<double>> {
  template <int n>
  UPSWEEP_INLINE static DoublePair<n> combine(const DoublePair<n>& r,
                                              const Pack<double, n>& x) {
    auto hi = r.hi * x;
    return {hi, fma(r.lo, x, fms(r.hi, x, hi))};
  }
  template <int n>
  UPSWEEP_INLINE static DoublePair<n> combine(const DoublePair<n>& a,
                                              const DoublePair<n>& b) {
    auto hi = a.hi * b.hi;
    auto error = fms(a.hi, b.hi, hi);
    return {hi, fma(a.lo, b.hi, fma(a.hi, b.lo, error))};
  }
  // The range in which the error terms are exact.
  static constexpr double kLow = 0x1p-900, kHigh = 0x1p1000;
  static constexpr double kIdentity = 1;
  static constexpr bool kProduct = true;
};

template <>
struct DoubleOp<Sum<double>> {
  template <int n>
  UPSWEEP_INLINE static DoublePair<n> combine(const DoublePair<n>& r,
                                              const Pack<double, n>& x) {
    auto hi = r.hi + x;
    auto part = hi - r.hi;
    return {hi, r.lo + ((r.hi - (hi - part)) + (x - part))};
  }
  template <int n>
  UPSWEEP_INLINE static DoublePair<n> combine(const DoublePair<n>& a,
                                              const DoublePair<n>& b) {
    auto r = combine(a, b.hi);
    return {r.hi, r.lo + b.lo};
  }
  static constexpr double kLow = -0x1p1022, kHigh = 0x1p1022;
  static constexpr double kIdentity = 0;
  static constexpr bool kProduct = false;
};

}  // namespace
}  // namespace upsweep
