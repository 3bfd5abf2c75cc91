// Maximum and minimum. NaN propagates, the first of equal elements stays, and
// complex numbers are ordered by their real, then by their imaginary part.
#pragma once

#include <algorithm>
#include <complex>
#include <cstdint>
#include <limits>

#include "monoid.h"

namespace upsweep {
namespace {

// The maximum of keys (cpu/keys.h), in signed order.
template <class T>
struct KeyMaximum {
  static constexpr bool kAssociative = true;
  using Value = T;
  using Prefix = T;

  static Prefix initial() { return std::numeric_limits<T>::lowest(); }
  UPSWEEP_INLINE static Value value(Prefix r) { return r; }
  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    return r = std::max(r, x);
  }
  static void combine(Prefix& r, Prefix aggregate) { advance(r, aggregate); }
};

// The maximum of truth values, which are 0 or 1.
struct TruthMaximum {
  static constexpr bool kAssociative = true;
  using Value = uint8_t;
  using Prefix = uint8_t;

  static Prefix initial() { return 0; }
  UPSWEEP_INLINE static Value value(Prefix r) { return r; }
  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) { return r = r | x; }
  static void combine(Prefix& r, Prefix aggregate) { advance(r, aggregate); }
};

template <class T, bool maximum>
struct Extremum {
  static constexpr bool kAssociative = true;
  using Value = T;
  using Prefix = T;

  static Prefix initial() {
    double worst = maximum ? -kInfinity : kInfinity;
    if constexpr (std::is_same_v<T, complex64_t>) {
      return {static_cast<float>(worst), static_cast<float>(worst)};
    } else if constexpr (std::is_integral_v<T>) {
      using Range = std::numeric_limits<T>;
      return maximum ? Range::lowest() : Range::max();
    } else {
      return narrow<T>(worst);
    }
  }
  UPSWEEP_INLINE static Value value(Prefix r) { return r; }

  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    if constexpr (!std::is_integral_v<T>) {
      if (is_nan(r)) return r;
      if (is_nan(x)) return r = not_a_number();
    }
    if (maximum ? less(r, x) : less(x, r)) r = x;
    return r;
  }
  static void combine(Prefix& r, Prefix aggregate) { advance(r, aggregate); }

 private:
  static constexpr bool kComplex = std::is_same_v<T, complex64_t>;

  static bool is_nan(T x) {
    if constexpr (kComplex) {
      return x.real() != x.real() || x.imag() != x.imag();
    } else {
      return widen(x) != widen(x);
    }
  }
  static T not_a_number() {
    if constexpr (kComplex) {
      return {static_cast<float>(kNaN), static_cast<float>(kNaN)};
    } else {
      return narrow<T>(kNaN);
    }
  }
  static bool less(T a, T b) {
    if constexpr (kComplex) {
      return a.real() < b.real() ||
             (a.real() == b.real() && a.imag() < b.imag());
    } else if constexpr (std::is_integral_v<T>) {
      return a < b;
    } else {
      return widen(a) < widen(b);
    }
  }
};

}  // namespace
}  // namespace upsweep
