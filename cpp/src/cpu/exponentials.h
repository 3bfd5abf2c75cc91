// Exponentials and logarithms of lanes of doubles: to 2^-30 for results of
// narrow dtypes, or to about an ulp of a double.
//
// Polynomials give e^r for |r| <= ln(2) / 2, and the logarithm of numbers from
// sqrt(1/2) to sqrt(2). Of both the first two terms are known, so that e^0 and
// log(1) are exact. The others interpolate the rest at Chebyshev nodes,
// computed with 200 bits and rounded to double. Interpolation is off by at most
// 2^-32 and 2^-31 for narrow dtypes, and 2^-61 and 2^-58 for float64. In 10^7
// sums of two exponentials the error was at most 0.504 ulp of max(|y|, 1) of
// float32, and 1.3 ulp of float64.
#pragma once

#include <bit>

#include "simd.h"

namespace upsweep {
namespace {

// Terms `first` to `first + count - 1` of a polynomial, divided by the power of
// the first. powers[i] is x^(2^i). Halves do not wait for each other.
template <int first, int count, int n, size_t size>
UPSWEEP_INLINE inline Pack<double, n> terms_of(
    const double (&coefficients)[size], const Pack<double, n>* powers) {
  if constexpr (count == 1) {
    return Pack<double, n>::all(coefficients[first]);
  } else {
    constexpr unsigned half = std::bit_floor(unsigned{count - 1});
    constexpr int low = static_cast<int>(half);
    return multiply_add(
        powers[std::countr_zero(half)],
        terms_of<first + low, count - low>(coefficients, powers),
        terms_of<first, low>(coefficients, powers));
  }
}

template <int n, size_t size>
UPSWEEP_INLINE inline Pack<double, n> polynomial(
    const double (&coefficients)[size], const Pack<double, n>& x,
    const Pack<double, n>& square) {
  constexpr int kPowers = std::bit_width(size - 1);
  Pack<double, n> powers[kPowers];
  powers[0] = x;
  powers[1] = square;
  unrolled<kPowers - 2>([&](int i) UPSWEEP_INLINE {
    powers[i + 2] = powers[i + 1] * powers[i + 1];
  });
  return terms_of<0, static_cast<int>(size)>(coefficients, powers);
}

constexpr double kLog2e = 0x1.71547652b82fep+0;
constexpr double kLn2 = 0x1.62e42fefa39efp-1;
// The two halves of ln(2): products of the first with exponents are exact.
constexpr double kLn2High = 0x1.62e42fefa38p-1, kLn2Low = 0x1.ef35793c7673p-45;

// The coefficients of (e^r - 1 - r) / r^2 and of (log(1 + u) - u) / u^2.
template <bool narrow>
struct Coefficients;
template <>
struct Coefficients<true> {
  static constexpr double exponential[] = {
      0x1.0000000b9129bp-1, 0x1.5555555a78ed4p-3,  0x1.5554e9063586ep-5,
      0x1.1110e0f238322p-7, 0x1.6d43246b523b4p-10, 0x1.a124f19fe89acp-13};
  static constexpr double logarithm[] = {
      -0x1.fffffff64af1bp-2, 0x1.55554e429f458p-2,  -0x1.000007577eb75p-2,
      0x1.99a12f5b901afp-3,  -0x1.5559e52b658c2p-3, 0x1.237a55ac3e893p-3,
      -0x1.fcc1adf4b2462p-4, 0x1.e3d339845a55dp-4,  -0x1.d962f26d64f80p-4,
      0x1.15425cbf25e47p-4};
};
template <>
struct Coefficients<false> {
  static constexpr double exponential[] = {
      0x1.0000000000000p-1,  0x1.5555555555557p-3,  0x1.5555555555556p-5,
      0x1.11111111100dcp-7,  0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13,
      0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19, 0x1.27e4db646b17ep-22,
      0x1.af4de97ca4194p-26, 0x1.1f730349868cep-29};
  static constexpr double logarithm[] = {
      -0x1.0000000000000p-1, 0x1.555555555555cp-2,  -0x1.fffffffffff34p-3,
      0x1.999999999772bp-3,  -0x1.5555555561dddp-3, 0x1.249249261f2ccp-3,
      -0x1.fffffff7e955cp-4, 0x1.c71c70c1303cbp-4,  -0x1.99999a6364b62p-4,
      0x1.745d460eacbc4p-4,  -0x1.55556c388aeddp-4, 0x1.3b0eda8f5d75cp-4,
      -0x1.248b2a78bff20p-4, 0x1.115b4daceee38p-4,  -0x1.00b0e81fd59f4p-4,
      0x1.dd3093b701211p-5,  -0x1.b635ac30a3dacp-5, 0x1.bb08e0be73d94p-5,
      -0x1.fc84a09888c57p-5, 0x1.ceab3eecb74d9p-5,  -0x1.8e8f5f6d78efbp-6};
};

// Below it, exponentials are zero: they do not become subnormal.
constexpr double kLeastExponent = -709;

// e^(x + low) for x up to 700; `low` is at most an ulp of x. NaN for NaN.
template <bool narrow, int n>
UPSWEEP_INLINE inline Pack<double, n> exponential(const Pack<double, n>& x,
                                                  const Pack<double, n>& low) {
  using Doubles = Pack<double, n>;
  // x · log2(e), rounded, is in the last bits of `shifted`, with the bias of an
  // exponent added.
  auto shift = Doubles::all(0x1.8p52 + 1023);
  auto inside = max(Doubles::all(kLeastExponent), x);
  auto shifted = multiply_add(inside, Doubles::all(kLog2e), shift);
  auto k = shifted - shift;
  auto scale = (shifted.template as<uint64_t>() << 52).template as<double>();
  Doubles r;
  if constexpr (narrow) {
    r = multiply_add(k, Doubles::all(-kLn2), inside);
  } else {
    r = multiply_add(k, Doubles::all(-kLn2High), inside);
    r = multiply_add(k, Doubles::all(-kLn2Low), r) + low;
  }
  auto square = r * r;
  auto rest = polynomial(Coefficients<narrow>::exponential, r, square);
  return (multiply_add(square, rest, r) + Doubles::all(1)) * scale;
}

// start + log(x), for normal x above zero.
template <bool narrow, int n>
UPSWEEP_INLINE inline Pack<double, n> plus_logarithm(
    const Pack<double, n>& start, const Pack<double, n>& x) {
  using Doubles = Pack<double, n>;
  using Words = Pack<uint64_t, n>;
  constexpr uint64_t kOne = std::bit_cast<uint64_t>(1.);
  constexpr uint64_t kLeast = std::bit_cast<uint64_t>(0x1.6a09e667f3bcdp-1);
  constexpr uint64_t kFraction = (uint64_t{1} << 52) - 1;
  // x = 2^k (1 + u) with 1 + u from sqrt(1/2).
  auto bits = x.template as<uint64_t>();
  auto raised = bits + Words::all(kOne - kLeast);
  auto field = (raised >> 52) | Words::all(std::bit_cast<uint64_t>(0x1p52));
  auto k = field.template as<double>() - Doubles::all(0x1p52 + 1023);
  auto reduced = bits - (raised & Words::all(~kFraction)) + Words::all(kOne);
  auto u = reduced.template as<double>() - Doubles::all(1);
  auto square = u * u;
  auto log = multiply_add(
      square, polynomial(Coefficients<narrow>::logarithm, u, square), u);
  if constexpr (narrow) {
    return multiply_add(k, Doubles::all(kLn2), start) + log;
  } else {
    // start and the exponent's part may cancel.
    auto part = k * Doubles::all(kLn2High);
    auto high = start + part;
    auto of_part = high - start;
    auto error = (start - (high - of_part)) + (part - of_part);
    return high + (error + multiply_add(k, Doubles::all(kLn2Low), log));
  }
}

}  // namespace
}  // namespace upsweep
