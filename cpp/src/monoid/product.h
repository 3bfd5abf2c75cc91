// Products. The running product of a narrow float is a plain double: it never
// leaves the dtype's range while it is alive, so it needs no exponent of its
// own. A double's is a Wide mantissa and an exponent.
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

// What a factor is to a product that is dead: its class and its sign. Kinds
// multiply without rounding.
inline double kind_of(double x) {
  return is_alive(x) ? std::copysign(1., x) : x;
}

// Integers wrap.
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
struct Product<T> {
  static constexpr bool kExact = true;
  using Value = T;
  using Running = T;

  static Running start() { return T{1}; }
  static Value value(Running r) { return r; }
  static Value advance(Running& r, Value x) {
    return r = static_cast<T>(static_cast<uint64_t>(r) *
                              static_cast<uint64_t>(x));
  }
  static void combine(Running& r, Running total) { advance(r, total); }
};

// float32, float16, bfloat16.
template <class T>
  requires is_real<T>
struct Product<T> {
  static constexpr bool kExact = false;
  using Value = T;
  using Running = double;
  using Total = double;
  struct Range {
    double low = 1, high = 1;  // bounds of the magnitudes of the prefixes
    double kind = 1;           // the product of the kinds of the elements
  };

  static Running start() { return 1; }
  static Total none() { return 1; }
  static Value value(Running r) { return narrow<T>(r); }

  static Value advance(Running& r, Value x) {
    r *= upsweep::widen(x);
    Value y = narrow<T>(r);
    if (double rounded = upsweep::widen(y); !upsweep::is_alive(rounded)) {
      r = canonical(rounded);
      y = narrow<T>(r);
    }
    return y;
  }

  static void fold(Total& total, Value x) { total *= upsweep::widen(x); }
  static void widen(Range& range, Total total, Value x) {
    double magnitude = std::abs(total);
    range.low = std::min(range.low, magnitude);
    range.high = std::max(range.high, magnitude);
    range.kind *= kind(upsweep::widen(x));
  }
  static void extend(Range& range, Total before, const Range& next) {
    double magnitude = std::abs(before);
    range.low = std::min(range.low, magnitude * next.low);
    range.high = std::max(range.high, magnitude * next.high);
    range.kind *= next.kind;
  }

  static double kind(Total total) { return kind_of(total); }
  static void mark(Range& range, double kind) { range.kind *= kind; }
  static Running follow(Running r, double kind) { return canonical(r * kind); }

  static bool predict(Running& r, Total total, const Range& range) {
    if (!is_alive(r)) {
      r = follow(r, range.kind);
      return true;
    }
    double magnitude = std::abs(r);
    if (!(usable(total) && magnitude * range.high <= Limits<T>::max / 2 &&
          magnitude * range.low >= Limits<T>::min * 2)) {
      return false;
    }
    r *= total;
    return true;
  }

  // While the prefixes of a tile stay alive they lie within 2^±278 of the
  // carry, so that no total of neighbours overflows or underflows.
  static bool is_alive(Running r) { return upsweep::is_alive(r); }
  static bool usable(Total total) { return upsweep::is_alive(total); }
  static Running apply(Running r, Total total) { return r * total; }
  static void append(Total& total, Total next) { total *= next; }
};

template <>
struct Product<double> {
  static constexpr bool kExact = false;
  using Value = double;
  // mantissa · 2^exponent. The mantissa of what is alive has a magnitude
  // between kLow and kHigh, so that most products never need the exponent; that
  // of what is dead is the value.
  struct Running {
    Wide mantissa{1};
    int64_t exponent = 0;
  };
  using Total = Running;
  static constexpr double kLow = 0x1p-256, kHigh = 0x1p256;
  struct Range {
    int64_t low = 0, high = 0;  // binary exponents of the prefixes
    double kind = 1;
  };

  static Running start() { return {}; }
  static Total none() { return {}; }

  static Value value(const Running& r) {
    if (r.exponent == 0) return r.mantissa.hi;
    auto exponent =
        static_cast<int>(std::clamp<int64_t>(r.exponent, -5000, 5000));
    return std::ldexp(r.mantissa.hi, exponent);
  }

  static Value advance(Running& r, Value x) {
    fold(r, x);
    Value y = value(r);
    if (!upsweep::is_alive(y)) {
      y = canonical(y);
      r = {{y}, 0};
    }
    return y;
  }

  static void fold(Total& total, Value x) {
    if (is_alive(total) && upsweep::is_alive(x)) {
      double magnitude = std::abs(x);
      int64_t exponent = 0;
      if (magnitude < kLow || magnitude > kHigh) exponent = split(x);
      append(total, {{x}, exponent});
    } else {
      // Of what is dead only class and sign count.
      total = {{total.mantissa.hi * x}, 0};
    }
  }
  static void widen(Range& range, const Total& total, Value x) {
    int64_t exponent = magnitude(total);
    range.low = std::min(range.low, exponent);
    range.high = std::max(range.high, exponent);
    range.kind *= kind_of(x);
  }
  static void extend(Range& range, const Total& before, const Range& next) {
    range.low = std::min(range.low, magnitude(before) + next.low);
    range.high = std::max(range.high, magnitude(before) + next.high);
    range.kind *= next.kind;
  }

  static double kind(const Total& total) { return kind_of(total.mantissa.hi); }
  static void mark(Range& range, double kind) { range.kind *= kind; }
  static Running follow(const Running& r, double kind) {
    return {{canonical(r.mantissa.hi * kind)}, 0};
  }

  static bool predict(Running& r, const Total& total, const Range& range) {
    if (!is_alive(r)) {
      r = follow(r, range.kind);
      return true;
    }
    // A prefix lies within a factor of 4 of its exponent and the carry's.
    if (!usable(total) || magnitude(r) + range.high > 1020 ||
        magnitude(r) + range.low < -1070) {
      return false;
    }
    append(r, total);
    return true;
  }

  static bool is_alive(const Running& r) {
    return upsweep::is_alive(r.mantissa.hi);
  }
  static bool usable(const Total& total) { return is_alive(total); }
  static Running apply(Running r, const Total& total) {
    append(r, total);
    return r;
  }
  static void append(Total& total, const Total& next) {
    total.mantissa = total.mantissa * next.mantissa;
    total.exponent += next.exponent;
    normalise(total);
  }
  // Moves what the mantissa of something alive has too much to the exponent.
  static void normalise(Total& total) {
    double magnitude = std::abs(total.mantissa.hi);
    if (magnitude < kLow || magnitude > kHigh) [[unlikely]] {
      int64_t exponent = split(total.mantissa.hi);
      total.mantissa.lo =
          std::ldexp(total.mantissa.lo, static_cast<int>(-exponent));
      total.exponent += exponent;
    }
  }

 private:
  static int64_t magnitude(const Total& total) {
    double mantissa = total.mantissa.hi;
    return split(mantissa) + total.exponent;
  }

  // Brings x between 1 and 2, and returns the exponent that takes out.
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
  static constexpr bool kExact = false;
  using Value = complex64_t;
  struct Running {
    double re = 1, im = 0;
  };
  using Total = Running;
  struct Range {
    double low = 1, high = 1;  // norms of the prefixes
    bool special = false;
  };

  static Running start() { return {}; }
  static Total none() { return {}; }
  static Value value(const Running& r) {
    return {static_cast<float>(r.re), static_cast<float>(r.im)};
  }

  static Value advance(Running& r, Value x) {
    fold(r, x);
    Value y = value(r);
    if (!is_alive(Running{y.real(), y.imag()})) {
      r = {canonical(y.real()), canonical(y.imag())};
      y = value(r);
    }
    return y;
  }

  static void fold(Total& total, Value x) {
    total = multiply(total, {x.real(), x.imag()});
  }
  static void widen(Range& range, const Total& total, Value x) {
    range.low = std::min(range.low, norm(total));
    range.high = std::max(range.high, norm(total));
    range.special |= !is_alive(Running{x.real(), x.imag()});
  }

  static bool predict(Running& r, const Total& total, const Range& range) {
    if (range.special || !is_alive(r) || !usable(total)) return false;
    if (norm(r) * range.high > Limits<float>::max / 4 ||
        norm(r) * range.low < Limits<float>::min * 4) {
      return false;
    }
    r = multiply(r, total);
    return true;
  }

  static bool is_alive(const Running& r) {
    return r.re - r.re == 0 && r.im - r.im == 0 && (r.re != 0 || r.im != 0);
  }
  static bool usable(const Total& total) { return is_alive(total); }
  static Running apply(const Running& r, const Total& total) {
    return multiply(r, total);
  }
  static void append(Total& total, const Total& next) {
    total = multiply(total, next);
  }

 private:
  static Running multiply(const Running& a, const Running& b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  static double norm(const Running& r) {
    return std::max(std::abs(r.re), std::abs(r.im));
  }
};

}  // namespace
}  // namespace upsweep
