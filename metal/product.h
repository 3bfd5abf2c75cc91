// Products of floats: a Wide mantissa and an integer exponent, so that a
// product cannot overflow however the factors are grouped. Each factor may cost
// 2^-46 of the product: at most n · 2^-46 for n of them, and about the square
// root of n times 2^-46 unless the same few repeat forever. A single float is
// not enough even for float16 and bfloat16: a line of 2^20 could then be an ulp
// off.
#pragma once

namespace upsweep {

// The exponent of an aggregate is clamped to the first, so that sums of two do
// not overflow. In bounds it is clamped to the second: a product that gets so
// far has left the range.
constant constexpr int kFarExponent = (1 << 30) - 1;
constant constexpr int kFarLevel = 1 << 12;
// The most that a result of cumprod_frexp has.
constant constexpr int kMostFrexpExponent = 1 << 30;

// Logarithms to base 2 as integers, in kBinade units to a binade: that of x is
// between level_of(x) and kLevelError more. Between powers of two the bits of a
// float are linear, at most 0.0861 below the logarithm.
constant constexpr int kBinade = 256;
constant constexpr int kLevelError = 24;
METAL_FUNC int level_of(float x) {
  return int((as_type<uint>(x) & ~kSignBit) >> 15) - 127 * kBinade;
}

// The bound on exponents of products on the fast path, in both directions.
constant constexpr int kFastRange = 60;

template <class F>
struct Product {
  using Value = typename F::Value;
  static constant constexpr bool kCanExitRange = true;
  static constant constexpr bool kExitSuffices = true;
  static constant constexpr bool kHasFastPath = true;
  static constant constexpr bool kHasCarryNumbers = true;

  // After a special element, only the kinds and the sign of the mantissa count.
  struct Prefix {
    Wide mantissa;
    int exponent;
    uint special;
  };
  // The logarithms of all products on the way are between low and high, up to
  // the first special element.
  struct Aggregate {
    Prefix product;
    int low;
    int high;
  };
  using RangeExit = uint;  // the special kinds that the step led to

  static constant constexpr bool kShort = sizeof(Value) == 2;
  static_assert(kShort || items(sizeof(Value)) <= 64, "room in a mantissa");

  static METAL_FUNC Prefix initial() { return {{1, 0}, 0, 0}; }
  static METAL_FUNC Aggregate identity() { return {initial(), 0, 0}; }
  static METAL_FUNC Prefix from_carry(CarryNumber number) {
    Number first = split(as_type<uint>(number.re));
    if (first.special != 0) return {{first.mantissa, 0}, 0, first.special};
    return {{number.re, number.re_low}, number.exponent, 0};
  }

  // For as many factors as a thread has: the two floats of the mantissa are not
  // renormalised, and the mantissa is brought back to [1, 2) only for short
  // formats, of which a thread has more.
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    Number factor = split(F::widen(x));
    Wide product = two_product(s.mantissa.hi, factor.mantissa);
    product.lo = fma(s.mantissa.lo, factor.mantissa, product.lo);
    Prefix next = {product, s.exponent + factor.exponent,
                   s.special | factor.special};
    if (kShort) return renormalized(next);
    return next;
  }

  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    t.product = renormalized(normalized(advance_unchecked(t.product, x)));
    int level = level_of(t.product);
    bool counts = t.product.special == 0;
    t.low = counts ? min(t.low, level) : t.low;
    t.high = counts ? max(t.high, level + kLevelError) : t.high;
    return t;
  }

  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    bool counts = a.product.special == 0;
    int level = level_of(a.product);
    int low = min(a.low, level + b.low);
    int high = max(a.high, level + kLevelError + b.high);
    return {multiply_prefixes(a.product, b.product), counts ? low : a.low,
            counts ? high : a.high};
  }

  static METAL_FUNC CarryNumber to_carry(Prefix s) {
    if (s.special == 0) {
      return {s.mantissa.hi, s.mantissa.lo, 0, 0, s.exponent, 0, {0, 0}};
    }
    return {as_type<float>(special_of(s)), 0, 0, 0, 0, 0, {0, 0}};
  }
  static METAL_FUNC ChunkCarry chunk_carry(Prefix s, Aggregate t) {
    CarryNumber total = to_carry(t.product);
    float sign = total.re < 0 ? -1 : 1;
    return {total,
            to_carry(s),
            floor(float(t.low) / kBinade),
            floor(float(t.high) / kBinade),
            t.product.special == 0 ? sign : total.re,
            0};
  }

  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {{upsweep::shuffle_up(t.product.mantissa, delta),
             upsweep::shuffle_up(t.product.exponent, delta),
             upsweep::shuffle_up(t.product.special, delta)},
            upsweep::shuffle_up(t.low, delta),
            upsweep::shuffle_up(t.high, delta)};
  }

  static METAL_FUNC Aggregate restart(Aggregate t) {
    return {initial(), t.low, t.high};
  }

  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    s = multiply_prefixes(s, t.product);
    if (s.special != 0) s.exponent = 0;
    return s;
  }

  static METAL_FUNC Value value(Prefix s) {
    if (s.special != 0) return F::narrow(special_of(s));
    return F::narrow(join_bits(s.mantissa.hi + s.mantissa.lo, s.exponent));
  }

  // Leaves room for rounding: a binade for numbers that may round to zero.
  static METAL_FUNC bool is_safe(Prefix s, Aggregate t) {
    return s.special != 0 || is_within(s, t, F::kLowest + 1, F::kHighest + 1);
  }

  static METAL_FUNC Prefix advance(Prefix s, Value x) {
    s = advance_unchecked(s, x);
    int exponent = s.exponent + exponent_of(s.mantissa.hi);
    bool is_inside = exponent > F::kLowest && exponent < F::kHighest;
    if (s.special == 0 && !is_inside) {
      uint magnitude = value(s) & F::kMagnitude;
      if (magnitude == 0) s.special = kZero;
      if (magnitude == F::kInfinity) s.special = kInfinite;
    }
    return s;
  }

  // The bits of a special prefix as a float32.
  static METAL_FUNC uint special_of(Prefix s) {
    uint sign = as_type<uint>(s.mantissa.hi + s.mantissa.lo) & kSignBit;
    return special_bits(s.special, sign);
  }

  static METAL_FUNC Prefix multiply_prefixes(Prefix a, Prefix b) {
    Prefix s = renormalized({multiply(a.mantissa, b.mantissa),
                             a.exponent + b.exponent, a.special | b.special});
    s.exponent = clamp(s.exponent, -kFarExponent, kFarExponent);
    return s;
  }

  static METAL_FUNC bool is_live(Prefix s) { return s.special == 0; }
  static METAL_FUNC RangeExit no_exit() { return 0; }
  static METAL_FUNC RangeExit exit_at(Prefix s, int) { return s.special; }
  static METAL_FUNC RangeExit exit_of_carry(Prefix) { return 0; }
  static METAL_FUNC bool has_exited(RangeExit e) { return e != 0; }
  static METAL_FUNC RangeExit shuffle_up(RangeExit e, ushort delta) {
    return upsweep::shuffle_up(e, delta);
  }

  // A product that leaves the range continues like one that has met a zero or
  // an infinity.
  template <class Line>
  static METAL_FUNC Prefix resume(Prefix s, RangeExit e, Line, int) {
    s.special |= e;
    s.exponent = 0;
    return s;
  }

  // The fast path multiplies elements as they are. It is right while all
  // products on the way are well within the range of a float32: a NaN makes the
  // last one NaN, and an infinite or zero element takes them out of bounds.
  struct FastAggregate {
    Wide product;
    float least;
    float most;
  };
  struct FastPrefix {
    Wide mantissa;
    float unit;  // of the mantissa
  };
  // a · x for a normal x, without renormalising.
  static METAL_FUNC Wide times(Wide a, Value x) {
    float factor = as_float(x);
    Wide product = two_product(a.hi, factor);
    return {product.hi, fma(a.lo, factor, product.lo)};
  }
  static METAL_FUNC FastAggregate fast_identity() { return {{1, 0}, 1, 1}; }
  static METAL_FUNC FastAggregate fast_accumulate(FastAggregate q, Value x) {
    Wide product = times(q.product, x);
    float size = abs(product.hi);
    return {product, min(q.least, size), max(q.most, size)};
  }
  static METAL_FUNC FastAggregate fast_normalize(FastAggregate q) {
    return {fast_two_sum(q.product.hi, q.product.lo), q.least, q.most};
  }
  // A product that is not finite leaves a NaN.
  static METAL_FUNC FastAggregate fast_restart(FastAggregate q, thread float&) {
    return {{fma(q.product.hi, 0.0f, 1.0f), 0}, q.least, q.most};
  }
  static METAL_FUNC Aggregate fast_bounded(Aggregate t, float) { return t; }
  static METAL_FUNC bool fast_is_valid(FastAggregate q) {
    return q.least >= power_of_two(-kFastRange) &&
           q.most < power_of_two(kFastRange) && q.product.hi == q.product.hi;
  }
  static METAL_FUNC Aggregate fast_aggregate(FastAggregate q) {
    int exponent = exponent_of(q.product.hi);
    return {{scale(q.product, power_of_two(-exponent)), exponent, 0},
            upsweep::level_of(q.least),
            upsweep::level_of(q.most) + kLevelError};
  }

  static METAL_FUNC bool is_constant(Prefix s) {
    return (s.special & kNaN) != 0 || s.special == (kZero | kInfinite);
  }
  // Results must also be normal numbers, or all be zero or infinite with a
  // sign.
  static METAL_FUNC bool fast_applies(Prefix s, Aggregate own) {
    return s.special != 0 || is_within(s, own, -124, 128);
  }
  // A float is enough for results of a short format: each of a thread's
  // elements costs 2^-24, and the final rounding costs 2^-12 or more.
  static METAL_FUNC FastPrefix fast_prefix(Prefix s) {
    int exponent = exponent_of(s.mantissa.hi);
    float unit = s.special != 0 ? as_type<float>(special_bits(s.special, 0))
                                : power_of_two(s.exponent + exponent);
    Wide mantissa = scale(s.mantissa, power_of_two(-exponent));
    if (kShort) return {{(mantissa.hi + mantissa.lo) * unit, 0}, 1};
    return {mantissa, unit};
  }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix s, Value x) {
    if (kShort) return {{s.mantissa.hi * as_float(x), 0}, 1};
    return {times(s.mantissa, x), s.unit};
  }
  static METAL_FUNC FastPrefix fast_normalize(FastPrefix s) {
    if (kShort) return s;
    return {fast_two_sum(s.mantissa.hi, s.mantissa.lo), s.unit};
  }
  static METAL_FUNC Value fast_value(FastPrefix s) {
    float value =
        kShort ? s.mantissa.hi : (s.mantissa.hi + s.mantissa.lo) * s.unit;
    return F::rounded(as_type<uint>(value));
  }

 private:
  static METAL_FUNC float as_float(Value x) {
    return as_type<float>(F::widen(x));
  }

  static METAL_FUNC int level_of(Prefix s) {
    int exponent = clamp(s.exponent, -kFarLevel, kFarLevel);
    return exponent * kBinade + upsweep::level_of(s.mantissa.hi);
  }
  // Whether all products from s through t are between two powers of two, and
  // round to less than the upper one.
  static METAL_FUNC bool is_within(Prefix s, Aggregate t, int lowest,
                                   int highest) {
    int level = level_of(s);
    return level + t.low >= lowest * kBinade &&
           level + kLevelError + t.high < highest * kBinade;
  }

  static METAL_FUNC Prefix normalized(Prefix s) {
    s.mantissa = fast_two_sum(s.mantissa.hi, s.mantissa.lo);
    return s;
  }
  static METAL_FUNC Prefix renormalized(Prefix s) {
    int excess = exponent_of(s.mantissa.hi);
    return {scale(s.mantissa, power_of_two(-excess)), s.exponent + excess,
            s.special};
  }
};

}  // namespace upsweep
