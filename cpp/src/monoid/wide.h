// Wide: an unevaluated sum of two doubles, for accumulators that need more than
// double. metal/wide.h is the same for two floats; Metal has no double. The
// error terms are exact only without contraction and fast math, which the build
// ensures.
//
// Two-sum and two-product are Knuth's and Dekker's (Dekker 1971); the rest
// follows Joldes, Muller and Popescu, "Tight and rigorous error bounds for
// basic building blocks of double-word arithmetic" (2017).
#pragma once

#include <cmath>

namespace upsweep {
namespace {

struct Wide {
  double hi = 0;
  double lo = 0;
};

// a + b exactly, for |a| >= |b|.
inline Wide fast_two_sum(double a, double b) {
  double hi = a + b;
  return {hi, b - (hi - a)};
}

// a + b exactly.
inline Wide two_sum(double a, double b) {
  double hi = a + b;
  double part = hi - a;
  return {hi, (a - (hi - part)) + (b - part)};
}

// a * b exactly.
inline Wide two_product(double a, double b) {
  double hi = a * b;
  return {hi, std::fma(a, b, -hi)};
}

inline Wide operator+(Wide a, Wide b) {
  Wide high = two_sum(a.hi, b.hi);
  Wide low = two_sum(a.lo, b.lo);
  high = fast_two_sum(high.hi, high.lo + low.hi);
  return fast_two_sum(high.hi, high.lo + low.lo);
}

inline Wide operator-(Wide a) { return {-a.hi, -a.lo}; }

inline Wide operator*(Wide a, Wide b) {
  Wide product = two_product(a.hi, b.hi);
  double low = std::fma(a.hi, b.lo, std::fma(a.lo, b.hi, product.lo));
  return fast_two_sum(product.hi, low);
}

constexpr Wide kWideLn2{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

// e^x for x <= 0, with a relative error below 2^-70. It is zero below e^-700,
// before the low half becomes subnormal.
inline Wide exp(Wide x) {
  if (x.hi < -700) return {};
  double k = std::nearbyint(x.hi * 0x1.71547652b82fep0);
  Wide r = x + -(kWideLn2 * Wide{k});
  // A short series for e^(r/256) - 1, squared eight times. Only its first two
  // terms are large enough to need both halves.
  r = {r.hi / 256, r.lo / 256};
  Wide square = r * r;
  double z = r.hi;
  double rest =
      z * z * z *
      (1. / 6 + z * (1. / 24 + z * (1. / 120 + z * (1. / 720 + z / 5040))));
  Wide e = r + Wide{square.hi / 2, square.lo / 2} + Wide{rest};
  for (int i = 0; i < 8; ++i) e = e * e + Wide{2 * e.hi, 2 * e.lo};
  e = e + Wide{1};
  return {std::ldexp(e.hi, static_cast<int>(k)),
          std::ldexp(e.lo, static_cast<int>(k))};
}

// The logarithm of x >= 1: one step of Newton's method from that of x.hi. The
// records of carries may have anything for x.
inline Wide log(Wide x) {
  double guess = std::log(x.hi);
  if (guess - guess != 0) return {guess};
  Wide correction = x * exp(Wide{-guess}) + Wide{-1};
  return Wide{guess} + correction;
}

}  // namespace
}  // namespace upsweep
