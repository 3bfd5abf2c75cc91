// Products that cannot leave the range, as mantissas and exponents (frexp). An
// element is a pair: the bits of a float32, and an exponent of 2 in addition.
// So is a result, whose mantissa has the precision of F and is from 0.5 to
// below 1; with a zero, infinite or NaN mantissa the exponent is 0.
#pragma once

namespace upsweep {

template <class F>
struct FrexpProduct {
  using Value = uint2;
  using Factors = Product<Float32>;
  using Prefix = Factors::Prefix;
  using Aggregate = Prefix;
  static constant constexpr bool kCanExitRange = false;
  static constant constexpr bool kHasFastPath = false;
  static constant constexpr bool kHasCarryNumbers = true;

  static METAL_FUNC Aggregate identity() { return Factors::initial(); }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    return Factors::multiply_prefixes(a, b);
  }
  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    Number factor = split(x.x);
    int exponent = factor.exponent + int(x.y);
    return combine(t, {{factor.mantissa, 0}, exponent, factor.special});
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {upsweep::shuffle_up(t.mantissa, delta),
            upsweep::shuffle_up(t.exponent, delta),
            upsweep::shuffle_up(t.special, delta)};
  }
  static METAL_FUNC Prefix initial() { return identity(); }
  static METAL_FUNC Prefix from_carry(CarryNumber number) {
    return Factors::from_carry(number);
  }
  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    return combine(s, t);
  }
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return accumulate(s, x);
  }

  static METAL_FUNC Value value(Prefix s) {
    if (s.special != 0) return uint2(Factors::special_of(s), 0);
    // A short format is rounded a second time.
    float mantissa = sizeof(typename F::Value) == 2
                         ? round_to_odd(s.mantissa)
                         : s.mantissa.hi + s.mantissa.lo;
    uint bits = F::widen(F::rounded(as_type<uint>(mantissa)));
    int excess = exponent_of(as_type<float>(bits)) + 1;
    int exponent =
        clamp(s.exponent + excess, -kMostFrexpExponent, kMostFrexpExponent);
    return uint2(as_type<uint>(scaled(as_type<float>(bits), -excess)),
                 uint(exponent));
  }
};

template <class F>
struct CarryOutput<FrexpProduct<F>> {
  using M = FrexpProduct<F>;
  static METAL_FUNC void store(Task<M>, constant ScanParams&, uint,
                               typename M::Prefix, typename M::Aggregate) {}
};

}  // namespace upsweep
