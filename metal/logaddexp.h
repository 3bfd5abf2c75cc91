// log(e^x + e^y + …) of floats. e^x is split into 4^n · s, where s is near 1
// and n is an integer, kept in a float because it may be large. Sums then need
// no exponential: terms are brought to a common n exactly. s is Wide, so errors
// do not add up, and nothing overflows on the way.
#pragma once

namespace upsweep {

METAL_FUNC Wide half_log2_e() { return {0.72134751f, 9.62981528e-9f}; }
METAL_FUNC Wide log_4() { return {1.3862944f, -3.80930843e-9f}; }
METAL_FUNC Wide log_2() { return {0.69314718f, -1.90465421e-9f}; }

// e^x as 4^exponent · mantissa, the latter to within two units in its last
// place.
struct Exponential {
  float exponent;
  float mantissa;
};

METAL_FUNC Exponential exponential(float x) {
  Wide power = two_product(x, half_log2_e().hi);
  power.lo = fma(x, half_log2_e().lo, power.lo);
  float n = rint(power.hi);
  // Beyond 2^23 this difference carries no information; keep it in bounds.
  float rest = clamp(2 * ((power.hi - n) + power.lo), -2.0f, 2.0f);
  float whole = rint(rest);
  float z = (rest - whole) * log_2().hi;
  float series = fma(z, 1.0f / 5040, 1.0f / 720);
  series = fma(series, z, 1.0f / 120);
  series = fma(series, z, 1.0f / 24);
  series = fma(series, z, 1.0f / 6);
  series = fma(series, z, 0.5f);
  series = fma(series, z * z, z) + 1;
  return {n, scaled(series, int(whole))};
}

// log(x) for x in [1/2, 2], to within 2^-24.
METAL_FUNC float logarithm(Wide x) {
  float u = (x.hi - 1 + x.lo) / (x.hi + 1);
  float z = u * u;
  float series = fma(z, 1.0f / 15, 1.0f / 13);
  series = fma(series, z, 1.0f / 11);
  series = fma(series, z, 1.0f / 9);
  series = fma(series, z, 1.0f / 7);
  series = fma(series, z, 1.0f / 5);
  series = fma(series, z, 1.0f / 3);
  return 2 * fma(series * z, u, u);
}

// The factor that brings a term to an exponent that is larger by -difference.
METAL_FUNC float to_exponent(float difference) {
  return difference < -50 ? 0.0f : power_of_two(2 * int(difference));
}

// log(4^exponent · 2^shift) + rest, without cancellation between the parts.
METAL_FUNC float log_of_powers(float exponent, int shift, float rest) {
  Wide sum = multiply(log_2(), fma(exponent, 2.0f, float(shift)));
  // Beside a large exponent all else is lost. The logarithm of a finite number
  // is finite.
  float most = as_type<float>(kInfinityBits - 1);
  float far = fma(exponent, log_4().lo, exponent * log_4().hi);
  return abs(exponent) > power_of_two(30) ? clamp(far, -most, most)
                                          : sum.hi + (sum.lo + rest);
}

constant constexpr uint kOverflown = 1;  // in addition to kNaN

template <class F>
struct LogAddExp {
  using Value = typename F::Value;
  static constant constexpr bool kCanExitRange = false;
  static constant constexpr bool kHasFastPath = false;
  static constant constexpr bool kHasCarryNumbers = true;

  struct Aggregate {
    float exponent;
    Wide sum;  // zero for no elements
    uint special;
  };
  using Prefix = Aggregate;

  static METAL_FUNC Aggregate identity() { return {0, {0, 0}, 0}; }

  // Without branches, so that several elements are on their way at once.
  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    uint bits = F::widen(x);
    bool is_finite = (bits & kInfinityBits) != kInfinityBits;
    bool is_nan = !is_finite && (bits & kFractionBits) != 0;
    t.special |= (is_nan ? kNaN : 0) | (bits == kInfinityBits ? kOverflown : 0);
    Exponential e = exponential(is_finite ? as_type<float>(bits) : 0.0f);
    float behind = t.sum.hi == 0 ? 0.0f : t.exponent - e.exponent;
    float factor = to_exponent(-abs(behind));
    float term = e.mantissa * (behind > 0 ? factor : 1.0f);
    Wide sum = add(scale(t.sum, behind < 0 ? factor : 1.0f), term);
    if (!is_finite) return t;
    return {behind > 0 ? t.exponent : e.exponent, sum, t.special};
  }

  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    uint special = a.special | b.special;
    if (a.sum.hi == 0) return {b.exponent, b.sum, special};
    if (b.sum.hi == 0) return {a.exponent, a.sum, special};
    float exponent = max(a.exponent, b.exponent);
    Wide left = scale(a.sum, to_exponent(a.exponent - exponent));
    Wide right = scale(b.sum, to_exponent(b.exponent - exponent));
    return {exponent, add(left, right), special};
  }

  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {upsweep::shuffle_up(t.exponent, delta),
            upsweep::shuffle_up(t.sum, delta),
            upsweep::shuffle_up(t.special, delta)};
  }

  static METAL_FUNC Prefix initial() { return identity(); }
  static METAL_FUNC Prefix from_carry(CarryNumber n) {
    uint bits = as_type<uint>(n.re);
    uint kind = (bits & kFractionBits) != 0 ? kNaN : kOverflown;
    if ((bits & kInfinityBits) == kInfinityBits) return {0, {0, 0}, kind};
    return {n.scale, {n.re, n.re_low}, 0};
  }
  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    return combine(s, t);
  }
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return accumulate(s, x);
  }

  static METAL_FUNC CarryNumber to_carry(Prefix s) {
    if (s.special != 0) {
      uint bits = (s.special & kNaN) != 0 ? kNaNBits : kInfinityBits;
      return {as_type<float>(bits), 0, 0, 0, 0, 0, {0, 0}};
    }
    return {s.sum.hi, s.sum.lo, 0, 0, 0, s.exponent, {0, 0}};
  }
  static METAL_FUNC ChunkCarry chunk_carry(Prefix s, Aggregate t) {
    return {to_carry(t), to_carry(s), 0, 0, 0, 0};
  }

  static METAL_FUNC Value value(Prefix s) {
    int shift = exponent_of(s.sum.hi);
    Wide sum = scale(s.sum, power_of_two(-shift));
    float y = log_of_powers(s.exponent, shift, logarithm(sum));
    uint special = (s.special & kNaN) != 0 ? kNaNBits : kInfinityBits;
    uint bits = s.sum.hi == 0 ? kSignBit | kInfinityBits : as_type<uint>(y);
    return F::narrow(s.special != 0 ? special : bits);
  }
};

}  // namespace upsweep
