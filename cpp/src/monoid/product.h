// Products. The prefix of a narrow float is a double: a live product is within
// the dtype's range and needs no separate exponent. The prefix of a double is a
// Wide mantissa and an exponent.
#pragma once

#include <algorithm>
#include <bit>
#include <complex>
#include <cstdint>

#include "monoid.h"
#include "wide.h"

namespace upsweep {
namespace {

template <class T>
struct Product;

// What a factor does to a saturated product: ±1 for a live factor, else the
// factor. Special classes multiply without rounding.
inline double special_class_of(double x) {
  return is_live(x) ? std::copysign(1., x) : x;
}

// Integers wrap.
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
struct Product<T> {
  static constexpr bool kAssociative = true;
  using Value = T;
  using Prefix = T;

  static Prefix initial() { return T{1}; }
  UPSWEEP_INLINE static Value value(Prefix r) { return r; }
  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    return r = static_cast<T>(static_cast<uint64_t>(r) *
                              static_cast<uint64_t>(x));
  }
  static void combine(Prefix& r, Prefix aggregate) { advance(r, aggregate); }
};

// float32, float16, bfloat16.
template <class T>
  requires is_real<T>
struct Product<T> {
  static constexpr bool kAssociative = false;
  using Value = T;
  using Prefix = double;
  using Aggregate = double;
  struct PrefixRange {
    double low = 1, high = 1;  // bounds of the magnitudes of the prefixes
    double special_class = 1;  // the product of the classes of the elements
  };

  static Prefix initial() { return 1; }
  static Aggregate identity() { return 1; }
  UPSWEEP_INLINE static Value value(Prefix r) { return narrow<T>(r); }

  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    r *= upsweep::widen(x);
    Value y = narrow<T>(r);
    if (double rounded = upsweep::widen(y); !upsweep::is_live(rounded)) {
      r = canonical(rounded);
      y = narrow<T>(r);
    }
    return y;
  }

  UPSWEEP_INLINE static void accumulate(Aggregate& aggregate, Value x) {
    aggregate *= upsweep::widen(x);
  }
  static void include(PrefixRange& range, Aggregate aggregate, Value x) {
    double magnitude = std::abs(aggregate);
    range.low = std::min(range.low, magnitude);
    range.high = std::max(range.high, magnitude);
    range.special_class *= special_class(upsweep::widen(x));
  }
  static void append_range(PrefixRange& range, Aggregate before,
                           const PrefixRange& next) {
    double magnitude = std::abs(before);
    range.low = std::min(range.low, magnitude * next.low);
    range.high = std::max(range.high, magnitude * next.high);
    range.special_class *= next.special_class;
  }

  static double special_class(Aggregate aggregate) {
    return special_class_of(aggregate);
  }
  static void add_class(PrefixRange& range, double special_class) {
    range.special_class *= special_class;
  }
  static Prefix propagate_special(Prefix r, double special_class) {
    return canonical(r * special_class);
  }

  static bool try_apply(Prefix& r, Aggregate aggregate,
                        const PrefixRange& range) {
    if (!is_live(r)) {
      r = propagate_special(r, range.special_class);
      return true;
    }
    double magnitude = std::abs(r);
    if (!(is_usable(aggregate) &&
          magnitude * range.high <= Limits<T>::max / 2 &&
          magnitude * range.low >= Limits<T>::min * 2)) {
      return false;
    }
    r *= aggregate;
    return true;
  }

  // Live prefixes are within 2^±278 of the carry, so no aggregate overflows or
  // underflows.
  static bool is_live(Prefix r) { return upsweep::is_live(r); }
  static bool is_usable(Aggregate aggregate) {
    return upsweep::is_live(aggregate);
  }
  static Prefix apply(Prefix r, Aggregate aggregate) { return r * aggregate; }
  static void combine(Aggregate& aggregate, Aggregate next) {
    aggregate *= next;
  }
};

template <>
struct Product<double> {
  static constexpr bool kAssociative = false;
  using Value = double;
  // mantissa · 2^exponent. A live mantissa has a magnitude between kLow and
  // kHigh, so most products never need the exponent. A saturated mantissa is
  // the value.
  struct Prefix {
    Wide mantissa{1};
    int64_t exponent = 0;
  };
  using Aggregate = Prefix;
  static constexpr double kLow = 0x1p-256, kHigh = 0x1p256;
  struct PrefixRange {
    int64_t low = 0, high = 0;  // binary exponents of the prefixes
    double special_class = 1;
  };

  static Prefix initial() { return {}; }
  static Aggregate identity() { return {}; }

  UPSWEEP_INLINE static Value value(const Prefix& r) {
    if (r.exponent == 0) return r.mantissa.hi;
    auto exponent =
        static_cast<int>(std::clamp<int64_t>(r.exponent, -5000, 5000));
    return std::ldexp(r.mantissa.hi, exponent);
  }

  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    accumulate(r, x);
    Value y = value(r);
    if (!upsweep::is_live(y)) {
      y = canonical(y);
      r = {{y}, 0};
    }
    return y;
  }

  UPSWEEP_INLINE static void accumulate(Aggregate& aggregate, Value x) {
    if (is_live(aggregate) && upsweep::is_live(x)) {
      double magnitude = std::abs(x);
      int64_t exponent = 0;
      if (magnitude < kLow || magnitude > kHigh) exponent = split(x);
      combine(aggregate, {{x}, exponent});
    } else {
      // Only class and sign of a saturated product count.
      aggregate = {{aggregate.mantissa.hi * x}, 0};
    }
  }
  static void include(PrefixRange& range, const Aggregate& aggregate, Value x) {
    int64_t exponent = magnitude(aggregate);
    range.low = std::min(range.low, exponent);
    range.high = std::max(range.high, exponent);
    range.special_class *= special_class_of(x);
  }
  static void append_range(PrefixRange& range, const Aggregate& before,
                           const PrefixRange& next) {
    range.low = std::min(range.low, magnitude(before) + next.low);
    range.high = std::max(range.high, magnitude(before) + next.high);
    range.special_class *= next.special_class;
  }

  static double special_class(const Aggregate& aggregate) {
    return special_class_of(aggregate.mantissa.hi);
  }
  static void add_class(PrefixRange& range, double special_class) {
    range.special_class *= special_class;
  }
  static Prefix propagate_special(const Prefix& r, double special_class) {
    return {{canonical(r.mantissa.hi * special_class)}, 0};
  }

  static bool try_apply(Prefix& r, const Aggregate& aggregate,
                        const PrefixRange& range) {
    if (!is_live(r)) {
      r = propagate_special(r, range.special_class);
      return true;
    }
    if (!is_usable(aggregate) ||
        !keeps_within(r, range, Limits<double>::min, Limits<double>::max)) {
      return false;
    }
    combine(r, aggregate);
    return true;
  }
  // Whether prefixes of this range, applied to r, are certainly between two
  // magnitudes. The sum of the exponents gives a prefix within a factor of 4.
  static bool keeps_within(const Prefix& r, const PrefixRange& range,
                           double low, double high) {
    return magnitude(r) + range.high <= std::ilogb(high) - 3 &&
           magnitude(r) + range.low >= std::ilogb(low) + 4;
  }

  static bool is_live(const Prefix& r) {
    return upsweep::is_live(r.mantissa.hi);
  }
  static bool is_usable(const Aggregate& aggregate) {
    return is_live(aggregate);
  }
  static Prefix apply(Prefix r, const Aggregate& aggregate) {
    combine(r, aggregate);
    return r;
  }
  static void combine(Aggregate& aggregate, const Aggregate& next) {
    aggregate.mantissa = aggregate.mantissa * next.mantissa;
    aggregate.exponent += next.exponent;
    normalise(aggregate);
  }
  // Brings a live mantissa back between kLow and kHigh.
  static void normalise(Aggregate& aggregate) {
    double magnitude = std::abs(aggregate.mantissa.hi);
    if (magnitude < kLow || magnitude > kHigh) [[unlikely]] {
      int64_t exponent = split(aggregate.mantissa.hi);
      aggregate.mantissa.lo =
          std::ldexp(aggregate.mantissa.lo, static_cast<int>(-exponent));
      aggregate.exponent += exponent;
    }
  }

 private:
  static int64_t magnitude(const Aggregate& aggregate) {
    double mantissa = aggregate.mantissa.hi;
    return split(mantissa) + aggregate.exponent;
  }

  // Scales x to between 1 and 2 and returns the exponent.
  static int64_t split(double& x) {
    uint64_t bits = std::bit_cast<uint64_t>(x);
    int64_t exponent = bits >> 52 & 0x7ff;
    if (exponent == 0) {
      bits = std::bit_cast<uint64_t>(x * 0x1p64);
      exponent = static_cast<int64_t>(bits >> 52 & 0x7ff) - 64;
    }
    x = std::bit_cast<double>((bits & ~(uint64_t{0x7ff} << 52)) | uint64_t{1023}
                                                                      << 52);
    return exponent - 1023;
  }
};

// The textbook product, in double: (ac - bd, ad + bc).
template <>
struct Product<complex64_t> {
  static constexpr bool kAssociative = false;
  using Value = complex64_t;
  struct Prefix {
    double re = 1, im = 0;
  };
  using Aggregate = Prefix;
  struct PrefixRange {
    double low = 1, high = 1;  // norms of the prefixes
    bool special = false;
  };

  static Prefix initial() { return {}; }
  static Aggregate identity() { return {}; }
  UPSWEEP_INLINE static Value value(const Prefix& r) {
    return {static_cast<float>(r.re), static_cast<float>(r.im)};
  }

  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    accumulate(r, x);
    Value y = value(r);
    if (!is_live(Prefix{y.real(), y.imag()})) {
      r = {canonical(y.real()), canonical(y.imag())};
      y = value(r);
    }
    return y;
  }

  UPSWEEP_INLINE static void accumulate(Aggregate& aggregate, Value x) {
    aggregate = multiply(aggregate, {x.real(), x.imag()});
  }
  static void include(PrefixRange& range, const Aggregate& aggregate, Value x) {
    range.low = std::min(range.low, norm(aggregate));
    range.high = std::max(range.high, norm(aggregate));
    range.special |= !is_live(Prefix{x.real(), x.imag()});
  }
  // The norm of a product is between half and twice the product of the norms.
  static void append_range(PrefixRange& range, const Aggregate& before,
                           const PrefixRange& next) {
    range.low = std::min(range.low, norm(before) * next.low / 2);
    range.high = std::max(range.high, norm(before) * next.high * 2);
    range.special |= next.special;
  }

  static bool try_apply(Prefix& r, const Aggregate& aggregate,
                        const PrefixRange& range) {
    if (range.special || !is_live(r) || !is_usable(aggregate)) return false;
    if (norm(r) * range.high > Limits<float>::max / 4 ||
        norm(r) * range.low < Limits<float>::min * 4) {
      return false;
    }
    r = multiply(r, aggregate);
    return true;
  }

  static bool is_live(const Prefix& r) {
    return r.re - r.re == 0 && r.im - r.im == 0 && (r.re != 0 || r.im != 0);
  }
  static bool is_usable(const Aggregate& aggregate) {
    return is_live(aggregate);
  }
  static Prefix apply(const Prefix& r, const Aggregate& aggregate) {
    return multiply(r, aggregate);
  }
  static void combine(Aggregate& aggregate, const Aggregate& next) {
    aggregate = multiply(aggregate, next);
  }

 private:
  static Prefix multiply(const Prefix& a, const Prefix& b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  static double norm(const Prefix& r) {
    return std::max(std::abs(r.re), std::abs(r.im));
  }
};

}  // namespace
}  // namespace upsweep
