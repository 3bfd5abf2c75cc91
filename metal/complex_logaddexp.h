// log(e^x + e^y + …) of complex numbers, computed as in logaddexp.h.
#pragma once

namespace upsweep {

// The angle of a complex number, to within about an ulp.
METAL_FUNC float angle(float re, float im) {
  float x = abs(re), y = abs(im);
  if (max(x, y) == 0) return 0;
  float t = min(x, y) / max(x, y);
  // Below 22.5 degrees a short series is enough.
  float turn = 0;
  if (t > 0.41421357f) {
    turn = 0.78539818f;
    t = (t - 1) / (t + 1);
  }
  float z = t * t;
  float series = fma(z, -1.0f / 19, 1.0f / 17);
  series = fma(series, z, -1.0f / 15);
  series = fma(series, z, 1.0f / 13);
  series = fma(series, z, -1.0f / 11);
  series = fma(series, z, 1.0f / 9);
  series = fma(series, z, -1.0f / 7);
  series = fma(series, z, 1.0f / 5);
  series = fma(series, z, -1.0f / 3);
  float result = turn + fma(series * z, t, t);
  if (y > x) result = 1.5707964f - result;
  if (re < 0) result = 3.1415927f - result;
  return im < 0 ? -result : result;
}

struct ComplexLogAddExp {
  using Value = uint2;
  static constant constexpr bool kCanExitRange = false;
  static constant constexpr bool kHasFastPath = false;
  static constant constexpr bool kHasCarryNumbers = true;

  struct Aggregate {
    float exponent;
    Wide re;  // re and im are zero for no elements
    Wide im;
    uint special;
  };
  using Prefix = Aggregate;

  static METAL_FUNC Aggregate identity() { return {0, {0, 0}, {0, 0}, 0}; }

  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    bool infinite = (x.x & ~kSignBit) == kInfinityBits;
    if (is_nan_bits(x.x) || (x.y & kInfinityBits) == kInfinityBits) {
      t.special |= kNaN;
    } else if (infinite) {
      if (x.x == kInfinityBits) t.special |= kOverflown;
    } else {
      Exponential e = exponential(as_type<float>(x.x));
      float turn = as_type<float>(x.y);
      Wide re = {e.mantissa * precise::cos(turn), 0};
      Wide im = {e.mantissa * precise::sin(turn), 0};
      t = combine(t, {e.exponent, re, im, 0});
    }
    return t;
  }

  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    uint special = a.special | b.special;
    if (is_identity(a)) return {b.exponent, b.re, b.im, special};
    if (is_identity(b)) return {a.exponent, a.re, a.im, special};
    float exponent = max(a.exponent, b.exponent);
    float left = to_exponent(a.exponent - exponent);
    float right = to_exponent(b.exponent - exponent);
    return {exponent, add(scale(a.re, left), scale(b.re, right)),
            add(scale(a.im, left), scale(b.im, right)), special};
  }

  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {upsweep::shuffle_up(t.exponent, delta),
            upsweep::shuffle_up(t.re, delta), upsweep::shuffle_up(t.im, delta),
            upsweep::shuffle_up(t.special, delta)};
  }

  static METAL_FUNC Prefix initial() { return identity(); }
  static METAL_FUNC Prefix from_carry(CarryNumber n) {
    uint bits = as_type<uint>(n.re);
    uint kind = (bits & kFractionBits) != 0 ? kNaN : kOverflown;
    if ((bits & kInfinityBits) == kInfinityBits) {
      return {0, {0, 0}, {0, 0}, kind};
    }
    return {n.scale, {n.re, n.re_low}, {n.im, n.im_low}, 0};
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
    return {s.re.hi, s.re.lo, s.im.hi, s.im.lo, 0, s.exponent, {0, 0}};
  }
  static METAL_FUNC ChunkCarry chunk_carry(Prefix s, Aggregate t) {
    return {to_carry(t), to_carry(s), 0, 0, 0, 0};
  }

  static METAL_FUNC Value value(Prefix s) {
    if ((s.special & kNaN) != 0) return uint2(kNaNBits, kNaNBits);
    if (s.special != 0) return uint2(kInfinityBits, 0);
    if (is_identity(s)) return uint2(kSignBit | kInfinityBits, 0);
    int shift = exponent_of(max(abs(s.re.hi), abs(s.im.hi)));
    float factor = power_of_two(-shift);
    float re = s.re.hi * factor, im = s.im.hi * factor;
    // The logarithm of the square of the norm, which is between 1 and 8.
    float square = fma(re, re, im * im);
    int square_shift = exponent_of(square);
    float rest = logarithm({scaled(square, -square_shift), 0}) / 2 +
                 float(square_shift) * (log_2().hi / 2);
    return uint2(as_type<uint>(log_of_powers(s.exponent, shift, rest)),
                 as_type<uint>(angle(re, im)));
  }

 private:
  static METAL_FUNC bool is_identity(Aggregate t) {
    return t.re.hi == 0 && t.im.hi == 0;
  }
};

}  // namespace upsweep
