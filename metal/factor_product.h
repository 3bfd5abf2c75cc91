// The product of many elements, which cannot leave the range, and of a few, on
// the fast path.
#pragma once

namespace upsweep {

// After so many elements, the two floats of a Wide are renormalised.
constant constexpr uint kFactorsApart = 4;

// A monoid. A special product has a mantissa of 1 with its sign.
struct FactorProduct {
  using Factors = Product<Float32>;
  using Aggregate = Factors::Prefix;

  static METAL_FUNC Aggregate identity() { return Factors::initial(); }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    return Factors::multiply_prefixes(a, b);
  }
  static METAL_FUNC Aggregate accumulate(Aggregate t, Number x) {
    return combine(t, {{x.mantissa, 0}, x.exponent, x.special});
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {upsweep::shuffle_up(t.mantissa, delta),
            upsweep::shuffle_up(t.exponent, delta),
            upsweep::shuffle_up(t.special, delta)};
  }
  // Neither infinite nor NaN.
  static METAL_FUNC bool is_finite(Aggregate t) {
    return (t.special & ~kZero) == 0;
  }
  // Of a finite one, apart from its exponent.
  static METAL_FUNC Wide mantissa(Aggregate t) {
    return scale(t.mantissa, t.special == 0 ? 1 : 0);
  }
  // As a float, whose magnitude counts only if it is special.
  static METAL_FUNC float kind(Aggregate t) {
    if (t.special == 0) return t.mantissa.hi;
    return as_type<float>(Factors::special_of(t));
  }
};

// The product of a number and of a block's elements, as they are. It is right
// if no element but 0 is so small that a product gets to 0 unseen, and if all
// products are in a range where their two floats are exact.
struct PlainProduct {
  static constant constexpr int kLeast = -80;
  static constant constexpr int kMost = 100;
  static constant constexpr int kLeastFactor = -45;

  Wide value;
  uint least;         // of twice the bits of all products, less one: 0 does not
                      // count
  uint least_factor;  // likewise
  float most;

  static METAL_FUNC PlainProduct start(Wide value) {
    return {value, ~0u, ~0u, 0};
  }
  // p · x, also for an x that does not count as an element.
  static METAL_FUNC Wide times(PlainProduct p, float x) {
    Wide product = two_product(p.value.hi, x);
    return {product.hi, fma(p.value.lo, x, product.lo)};
  }
  static METAL_FUNC PlainProduct advance(PlainProduct p, float x) {
    Wide value = times(p, x);
    return {value, min(p.least, mark(value.hi)), min(p.least_factor, mark(x)),
            max(p.most, abs(value.hi))};
  }
  static METAL_FUNC PlainProduct normalize(PlainProduct p) {
    p.value = fast_two_sum(p.value.hi, p.value.lo);
    return p;
  }
  // What is infinite has a NaN in the low float.
  static METAL_FUNC bool is_valid(PlainProduct p) {
    return is_large_enough(p) &&
           p.least_factor >= mark(power_of_two(kLeastFactor)) &&
           p.most < power_of_two(kMost) && p.value.lo == p.value.lo;
  }
  static METAL_FUNC bool is_large_enough(PlainProduct p) {
    return p.least >= mark(power_of_two(kLeast));
  }
  // That of the least product but 0; at most 1 too low.
  static METAL_FUNC int least_exponent(PlainProduct p) {
    return int(p.least >> 24) - 127;
  }
  static METAL_FUNC uint mark(float x) { return 2 * as_type<uint>(x) - 1; }

  // As an Aggregate of FactorProduct, with an exponent more.
  static METAL_FUNC FactorProduct::Aggregate total(PlainProduct p,
                                                   int exponent) {
    uint bits = as_type<uint>(p.value.hi);
    if ((bits & ~kSignBit) == 0) {
      return {{as_type<float>(bits | kOneBits), 0}, 0, kZero};
    }
    int excess = exponent_of(p.value.hi);
    return {scale(p.value, power_of_two(-excess)), exponent + excess, 0};
  }
};

}  // namespace upsweep
