// WideNumber: a real or complex number with an exponent that cannot overflow,
// for the exact paths. What is not finite follows IEEE arithmetic.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "../core/half.h"

namespace upsweep {

namespace {

// A term this many binary places below another one does not count.
constexpr int64_t kNegligible = 120;

inline double power_of_two(int64_t exponent) {
  return std::bit_cast<double>((exponent + 1023) << 52);
}

// The exponent e of a finite x = m · 2^e with 0.5 <= |m| < 1; that of 0 is low.
inline int64_t exponent_of(double x) {
  auto field = static_cast<int64_t>(std::bit_cast<uint64_t>(x) >> 52 & 0x7ff);
  if (field != 0) return field - 1022;
  return x == 0 ? -4096 : exponent_of(x * 0x1p64) - 64;
}

// x · 2^shift, rounded once.
inline double scaled(double x, int64_t shift) {
  if (-1000 <= shift && shift <= 1000) return x * power_of_two(shift);
  return std::ldexp(x,
                    static_cast<int>(std::clamp<int64_t>(shift, -4200, 4200)));
}

template <int parts>
struct WideNumber {
  double part[parts];
  int64_t exponent = 0;

  bool is_finite() const {
    for (double p : part) {
      if (!std::isfinite(p)) return false;
    }
    return true;
  }
  // Then it stays NaN.
  bool is_nan() const {
    for (double p : part) {
      if (p == p) return false;
    }
    return true;
  }
  bool is_zero() const {
    for (double p : part) {
      if (p != 0) return false;
    }
    return true;
  }
  // Brings the larger part of a finite number to [0.5, 1).
  void normalise() {
    int64_t top = exponent_of(part[0]);
    if constexpr (parts == 2) top = std::max(top, exponent_of(part[1]));
    if (is_zero()) {
      exponent = 0;
      return;
    }
    for (double& p : part) p = scaled(p, -top);
    exponent += top;
  }
};

// The parts of a · h + c, by the textbook formula where parts is 2.
template <int parts>
WideNumber<parts> multiply_add(const WideNumber<parts>& a,
                               const WideNumber<parts>& h,
                               const WideNumber<parts>& c) {
  if constexpr (parts == 1) {
    return {{std::fma(a.part[0], h.part[0], c.part[0])}};
  } else {
    return {{std::fma(a.part[0], h.part[0],
                      std::fma(-a.part[1], h.part[1], c.part[0])),
             std::fma(a.part[0], h.part[1],
                      std::fma(a.part[1], h.part[0], c.part[1]))}};
  }
}

// a · h + b of finite, normalised numbers.
template <int parts>
WideNumber<parts> advance_finite(const WideNumber<parts>& a,
                                 const WideNumber<parts>& h,
                                 const WideNumber<parts>& b) {
  if (a.is_zero() || h.is_zero()) return b;
  int64_t exponent = a.exponent + h.exponent;
  int64_t above = b.is_zero() ? -kNegligible - 1 : b.exponent - exponent;
  if (above > kNegligible) return b;
  WideNumber<parts> c{};
  if (above >= -kNegligible) {
    for (int i = 0; i < parts; ++i) c.part[i] = scaled(b.part[i], above);
  }
  WideNumber<parts> r = multiply_add(a, h, c);
  r.exponent = exponent;
  r.normalise();
  return r;
}

// a · h + b where something is not finite. The sizes of finite numbers do not
// matter next to it.
template <int parts>
WideNumber<parts> advance_special(const WideNumber<parts>& a,
                                  const WideNumber<parts>& h,
                                  const WideNumber<parts>& b) {
  if (a.is_finite() && h.is_finite()) {
    WideNumber<parts> finite = b;
    for (double& p : finite.part) {
      if (!std::isfinite(p)) p = 0;
    }
    finite.normalise();
    WideNumber<parts> r = advance_finite(a, h, finite);
    for (int i = 0; i < parts; ++i) {
      r.part[i] =
          std::isfinite(b.part[i]) ? scaled(r.part[i], r.exponent) : b.part[i];
    }
    r.exponent = 0;
    return r;
  }
  if constexpr (parts == 1) {
    return {{a.part[0] * h.part[0] + b.part[0]}};
  } else {
    return {{a.part[0] * h.part[0] - a.part[1] * h.part[1] + b.part[0],
             a.part[0] * h.part[1] + a.part[1] * h.part[0] + b.part[1]}};
  }
}

// a · h + b.
template <int parts>
WideNumber<parts> advance(const WideNumber<parts>& a,
                          const WideNumber<parts>& h,
                          const WideNumber<parts>& b) {
  bool finite = a.is_finite() && h.is_finite() && b.is_finite();
  return finite ? advance_finite(a, h, b) : advance_special(a, h, b);
}

template <class T>
constexpr int kParts = std::is_same_v<T, complex64_t> ? 2 : 1;

template <class T>
WideNumber<kParts<T>> load(const T* at) {
  T x;
  std::memcpy(&x, at, sizeof x);  // complex64 is only aligned to its halves
  WideNumber<kParts<T>> r{};
  if constexpr (kParts<T> == 2) {
    r.part[0] = x.real();
    r.part[1] = x.imag();
  } else {
    r.part[0] = widen(x);
  }
  return r;
}

template <class T>
WideNumber<kParts<T>> load_normalised(const T* at) {
  WideNumber<kParts<T>> r = load(at);
  if (r.is_finite()) r.normalise();
  return r;
}

template <class T>
void store(T* to, const WideNumber<kParts<T>>& h) {
  double part[kParts<T>];
  for (int i = 0; i < kParts<T>; ++i) {
    part[i] = scaled(h.part[i], h.exponent);
    if (part[i] != part[i]) part[i] = std::numeric_limits<double>::quiet_NaN();
  }
  T y;
  if constexpr (kParts<T> == 2) {
    y = {static_cast<float>(part[0]), static_cast<float>(part[1])};
  } else {
    y = narrow<T>(part[0]);
  }
  std::memcpy(to, &y, sizeof y);
}

}  // namespace

}  // namespace upsweep
