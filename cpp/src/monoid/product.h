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

template <class T>
struct Product;

// Integers wrap; bool_ is logical and.
template <class T>
  requires std::is_integral_v<T>
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
    double low = 1, high = 1;  // magnitudes of the prefixes
    bool special = false;      // an element is zero, infinite or NaN
  };

  static Running start() { return 1; }
  static Total none() { return 1; }
  static Value value(Running r) { return narrow<T>(r); }

  static Value advance(Running& r, Value x) {
    r *= upsweep::widen(x);
    Value y = narrow<T>(r);
    if (double rounded = upsweep::widen(y); !is_alive(rounded)) {
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
    range.special |= !is_alive(upsweep::widen(x));
  }

  static bool predict(Running& r, Total total, const Range& range) {
    if (r != r) return true;
    if (range.special) return false;
    if (!is_alive(r)) {
      r = std::signbit(total) ? -r : r;
      return true;
    }
    double magnitude = std::abs(r);
    if (magnitude * range.high > Limits<T>::max / 2 ||
        magnitude * range.low < Limits<T>::min * 2) {
      return false;
    }
    r *= total;
    return true;
  }

  // While prefixes stay alive they lie within 2^±278, so that total neither
  // overflowed nor underflowed.
  static Running join(Running before, Total total, Running after) {
    return is_alive(after) ? before * total : after;
  }
};

template <>
struct Product<double> {
  static constexpr bool kExact = false;
  using Value = double;
  // mantissa · 2^exponent with 1 <= |mantissa.hi| < 2, or a dead value in
  // mantissa.hi.
  struct Running {
    Wide mantissa{1};
    int64_t exponent = 0;
  };
  using Total = Running;
  struct Range {
    int64_t low = 0, high = 0;  // exponents of the prefixes
    bool special = false;
  };

  static Running start() { return {}; }
  static Total none() { return {}; }

  static Value value(const Running& r) {
    auto exponent =
        static_cast<int>(std::clamp<int64_t>(r.exponent, -5000, 5000));
    return std::ldexp(r.mantissa.hi, exponent);
  }

  static Value advance(Running& r, Value x) {
    fold(r, x);
    Value y = value(r);
    if (!is_alive(y)) {
      y = canonical(y);
      r = {{y}, 0};
    }
    return y;
  }

  static void fold(Total& total, Value x) {
    if (is_alive(total.mantissa.hi) && is_alive(x)) {
      int64_t exponent = split(x);
      multiply(total, {{x}, exponent});
    } else {
      // Of what is dead only class and sign count.
      total = {{total.mantissa.hi * x}, 0};
    }
  }
  static void widen(Range& range, const Total& total, Value x) {
    range.low = std::min(range.low, total.exponent);
    range.high = std::max(range.high, total.exponent);
    range.special |= !is_alive(x);
  }

  static bool predict(Running& r, const Total& total, const Range& range) {
    if (r.mantissa.hi != r.mantissa.hi) return true;
    if (range.special) return false;
    if (!is_alive(r.mantissa.hi)) {
      r.mantissa.hi = std::copysign(1., total.mantissa.hi) * r.mantissa.hi;
      return true;
    }
    // A prefix lies within a factor of 4 of its exponent and the carry's.
    if (r.exponent + range.high > 1020 || r.exponent + range.low < -1070) {
      return false;
    }
    multiply(r, total);
    return true;
  }

  static Running join(Running before, const Total& total,
                      const Running& after) {
    if (!is_alive(after.mantissa.hi)) return after;
    multiply(before, total);
    return before;
  }

 private:
  // Makes x its mantissa and returns its exponent.
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

  static void multiply(Running& a, const Running& b) {
    a.mantissa = a.mantissa * b.mantissa;
    a.exponent += b.exponent;
    if (std::abs(a.mantissa.hi) >= 2) {
      a.mantissa = {a.mantissa.hi / 2, a.mantissa.lo / 2};
      a.exponent += 1;
    }
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
    if (!is_alive(y.real(), y.imag())) {
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
    range.special |= !is_alive(x.real(), x.imag());
  }

  static bool predict(Running& r, const Total& total, const Range& range) {
    if (range.special || !is_alive(r.re, r.im)) return false;
    if (norm(r) * range.high > Limits<float>::max / 4 ||
        norm(r) * range.low < Limits<float>::min * 4) {
      return false;
    }
    r = multiply(r, total);
    return true;
  }

  static Running join(const Running& before, const Total& total,
                      const Running& after) {
    return is_alive(after.re, after.im) ? multiply(before, total) : after;
  }

 private:
  static Running multiply(const Running& a, const Running& b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  static double norm(const Running& r) {
    return std::max(std::abs(r.re), std::abs(r.im));
  }
  static bool is_alive(double re, double im) {
    return re - re == 0 && im - im == 0 && (re != 0 || im != 0);
  }
};

}  // namespace upsweep
