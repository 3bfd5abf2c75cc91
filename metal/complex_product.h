// Products of complex numbers: both components Wide, with one exponent for
// both, so that a product cannot overflow however the factors are grouped. The
// larger component is kept near 2^kLift, so that the smaller one is not
// subnormal even if the two are as far apart as 1 and infinity: when a product
// overflows, both components may. Once it has left the range, or met a special
// element, the product follows the textbook formula in float, (ac - bd) + (ad +
// bc)i.
//
// A product with an infinite or NaN component is NaN in both after three more
// factors: (infinite, finite) becomes (infinite, infinite) or gets a NaN,
// (infinite, infinite) gets a NaN, and a NaN in one component spreads to the
// other with the next factor. So a saturated product is zero, NaN or, for a
// short while, a pair of floats.
#pragma once

namespace upsweep {

constant constexpr uint kPair = 8;  // in addition to kZero and kNaN
constant constexpr uint kPairLasts = 3;
constant constexpr int kLift = 30;

struct ComplexProduct {
  using Value = uint2;
  static constant constexpr bool kCanExitRange = true;
  static constant constexpr bool kExitSuffices = false;
  static constant constexpr bool kHasFastPath = true;
  static constant constexpr bool kHasCarryNumbers = true;

  struct Prefix {
    Wide re;
    Wide im;
    int exponent;
    uint special;  // once saturated: kZero, kNaN, or kPair for re.hi and im.hi
  };
  // If no element is special (kZero, or kInfinite for any that is not finite),
  // the larger component of every product on the way is between 2^low and
  // 2^(high + 1).
  struct Aggregate {
    Prefix product;
    int low;
    int high;
  };
  struct RangeExit {
    uint special;  // of the Prefix it led to
    uint position;
    float re;
    float im;
  };

  static METAL_FUNC Prefix initial() {
    return {{power_of_two(kLift), 0}, {0, 0}, -kLift, 0};
  }
  static METAL_FUNC Aggregate identity() { return {initial(), 0, 0}; }
  static METAL_FUNC Prefix from_carry(CarryNumber n) {
    uint2 first = uint2(as_type<uint>(n.re), as_type<uint>(n.im));
    uint special = element(first).special;
    if (special == kZero) return saturated(kZero);
    if (special != 0) return pair(n.re, n.im);
    return {{n.re, n.re_low}, {n.im, n.im_low}, n.exponent, 0};
  }

  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    Element e = element(x);
    return lifted({add(multiply(s.re, e.re), multiply(s.im, -e.im)),
                   add(multiply(s.re, e.im), multiply(s.im, e.re)),
                   s.exponent + e.exponent, s.special | e.special});
  }

  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    t.product = advance_unchecked(t.product, x);
    int exponent = magnitude(t.product);
    t.low = min(t.low, exponent);
    t.high = max(t.high, exponent);
    return t;
  }

  // The larger component of a product is the product of the factors' larger
  // components, times between 1/sqrt(2) and 2.
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    return {multiplied(a.product, b.product),
            min(a.low, magnitude(a.product) + b.low - 1),
            max(a.high, magnitude(a.product) + b.high + 2)};
  }

  static METAL_FUNC CarryNumber to_carry(Prefix s) {
    if (s.special == 0) {
      return {s.re.hi, s.re.lo, s.im.hi, s.im.lo, s.exponent, 0, {0, 0}};
    }
    uint2 bits = value(s);
    return {as_type<float>(bits.x), 0, as_type<float>(bits.y), 0, 0, 0, {0, 0}};
  }
  static METAL_FUNC ChunkCarry chunk_carry(Prefix s, Aggregate t) {
    return {to_carry(t.product),
            to_carry(s),
            float(t.low),
            float(t.high),
            t.product.special == 0 ? 1.0f : 0.0f,
            0};
  }

  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {{upsweep::shuffle_up(t.product.re, delta),
             upsweep::shuffle_up(t.product.im, delta),
             upsweep::shuffle_up(t.product.exponent, delta),
             upsweep::shuffle_up(t.product.special, delta)},
            upsweep::shuffle_up(t.low, delta),
            upsweep::shuffle_up(t.high, delta)};
  }

  // A special element leaves bounds that are never safe.
  static METAL_FUNC Aggregate restart(Aggregate t) {
    int low = t.product.special != 0 ? -2 * kFarExponent : t.low;
    return {initial(), low, t.high};
  }

  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    if (s.special == 0) return multiplied(s, t.product);
    if (s.special == kZero && (t.product.special & kInfinite) == 0) return s;
    return saturated(kNaN);
  }

  static METAL_FUNC Value value(Prefix s) {
    if (s.special == 0) {
      return uint2(join_bits(s.re.hi + s.re.lo, s.exponent),
                   join_bits(s.im.hi + s.im.lo, s.exponent));
    }
    if (s.special == kZero) return uint2(0, 0);
    if (s.special == kPair) {
      return uint2(canonical(s.re.hi), canonical(s.im.hi));
    }
    return uint2(kNaNBits, kNaNBits);
  }

  static METAL_FUNC bool is_safe(Prefix s, Aggregate t) {
    if (s.special != 0) return s.special != kPair;
    return t.product.special == 0 &&
           magnitude(s) + t.low - 1 > Float32::kLowest &&
           magnitude(s) + t.high + 2 < Float32::kHighest;
  }

  static METAL_FUNC Prefix advance(Prefix s, Value x) {
    Element e = element(x);
    if (s.special == kNaN) return s;
    if (s.special == kZero && e.special != kInfinite) return s;
    if (s.special == kZero) return saturated(kNaN);
    if (s.special == kPair || e.special == kInfinite) {
      return textbook(value(s), x);
    }
    if (e.special == kZero) return saturated(kZero);
    s = advance_unchecked(s, x);
    uint2 y = value(s);
    uint re = y.x & ~kSignBit, im = y.y & ~kSignBit;
    if ((re | im) == 0) return saturated(kZero);
    if (re == kInfinityBits || im == kInfinityBits) {
      return pair(as_type<float>(y.x), as_type<float>(y.y));
    }
    return s;
  }

  static METAL_FUNC bool is_live(Prefix s) { return s.special == 0; }
  static METAL_FUNC RangeExit no_exit() { return {0, 0, 0, 0}; }
  static METAL_FUNC RangeExit exit_at(Prefix s, uint position) {
    return {s.special, position, s.re.hi, s.im.hi};
  }
  static METAL_FUNC RangeExit exit_of_carry(Prefix s) {
    return s.special == kPair ? exit_at(s, 0) : no_exit();
  }
  static METAL_FUNC bool has_exited(RangeExit e) { return e.special != 0; }
  static METAL_FUNC RangeExit shuffle_up(RangeExit e, ushort delta) {
    return {upsweep::shuffle_up(e.special, delta),
            upsweep::shuffle_up(e.position, delta),
            upsweep::shuffle_up(e.re, delta), upsweep::shuffle_up(e.im, delta)};
  }

  template <class Line>
  static METAL_FUNC Prefix resume(Prefix s, RangeExit e, Line line,
                                  uint position) {
    // A zero stays zero unless an element is not finite.
    bool finite = (s.special & ~kZero) == 0;
    if (e.special == kZero && finite) return saturated(kZero);
    if (e.special != kPair) return saturated(kNaN);
    Prefix state = pair(e.re, e.im);
    for (uint i = e.position; i < min(position, e.position + kPairLasts); ++i) {
      state = advance(state, get(line, i));
    }
    return state;
  }

  // The fast path, as in product.h. No component of an element may be so small
  // that it gets lost beside the other one, because it counts once a product
  // overflows.
  struct FastAggregate {
    Wide re;
    Wide im;
    float least;
    float most;
    uint least_component;  // the least magnitude that is not zero, less one
  };
  struct FastPrefix {
    Wide re;
    Wide im;
    float unit;  // of the components
  };

  static METAL_FUNC FastAggregate fast_identity() {
    return {{1, 0}, {0, 0}, 1, 1, ~0u};
  }
  static METAL_FUNC FastAggregate fast_accumulate(FastAggregate q, Value x) {
    FastPrefix s = fast_advance({q.re, q.im, 1}, x);
    float size = max(abs(s.re.hi), abs(s.im.hi));
    uint component = min((x.x & ~kSignBit) - 1, (x.y & ~kSignBit) - 1);
    return {s.re, s.im, min(q.least, size), max(q.most, size),
            min(q.least_component, component)};
  }
  static METAL_FUNC FastAggregate fast_normalize(FastAggregate q) {
    return {two_sum(q.re.hi, q.re.lo), two_sum(q.im.hi, q.im.lo), q.least,
            q.most, q.least_component};
  }
  // A product that is not finite leaves a NaN.
  static METAL_FUNC FastAggregate fast_restart(FastAggregate q, thread float&) {
    return {{fma(q.re.hi, 0.0f, 1.0f), 0},
            {fma(q.im.hi, 0.0f, 0.0f), 0},
            q.least,
            q.most,
            q.least_component};
  }
  static METAL_FUNC Aggregate fast_bounded(Aggregate t, float) { return t; }
  static METAL_FUNC bool fast_is_valid(FastAggregate q) {
    float least = power_of_two(-kFastRange);
    return q.least >= least && q.most < power_of_two(kFastRange) &&
           q.least_component >= as_type<uint>(least) - 1 &&
           q.re.hi == q.re.hi && q.im.hi == q.im.hi;
  }
  static METAL_FUNC Aggregate fast_aggregate(FastAggregate q) {
    return {lifted({q.re, q.im, 0, 0}), exponent_of(q.least),
            exponent_of(q.most)};
  }

  static METAL_FUNC bool is_constant(Prefix s) {
    return s.special == kZero || s.special == kNaN;
  }
  static METAL_FUNC bool fast_applies(Prefix s, Aggregate own) {
    return s.special == 0 && is_fit(s.re.hi) && is_fit(s.im.hi) &&
           magnitude(s) + own.low > -120 && magnitude(s) + own.high < 120;
  }
  static METAL_FUNC FastPrefix fast_prefix(Prefix s) {
    float down = power_of_two(-kLift);
    return {scale(s.re, down), scale(s.im, down),
            power_of_two(s.exponent + kLift)};
  }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix s, Value x) {
    float re = as_type<float>(x.x), im = as_type<float>(x.y);
    return {dot(s.re, re, s.im, -im), dot(s.re, im, s.im, re), s.unit};
  }
  static METAL_FUNC FastPrefix fast_normalize(FastPrefix s) {
    return {two_sum(s.re.hi, s.re.lo), two_sum(s.im.hi, s.im.lo), s.unit};
  }
  static METAL_FUNC Value fast_value(FastPrefix s) {
    return uint2(as_type<uint>((s.re.hi + s.re.lo) * s.unit),
                 as_type<uint>((s.im.hi + s.im.lo) * s.unit));
  }

 private:
  // a · x + b · y without renormalising, which is safe for a few factors.
  static METAL_FUNC Wide dot(Wide a, float x, Wide b, float y) {
    Wide p = two_product(a.hi, x), q = two_product(b.hi, y);
    Wide sum = two_sum(p.hi, q.hi);
    float low = fma(a.lo, x, p.lo) + fma(b.lo, y, q.lo);
    return {sum.hi, sum.lo + low};
  }

  // Whether a component of a Prefix is large enough not to get lost, or zero.
  static METAL_FUNC bool is_fit(float component) {
    return component == 0 || abs(component) >= power_of_two(kLift - kFastRange);
  }

  // (re + im i) · 2^exponent, the larger component lifted like that of a
  // Prefix.
  struct Element {
    float re;
    float im;
    int exponent;
    uint special;
  };

  static METAL_FUNC Element one(uint special) {
    return {power_of_two(kLift), 0, -kLift, special};
  }

  static METAL_FUNC Element element(Value x) {
    Number re = split(x.x), im = split(x.y);
    uint special = re.special | im.special;
    if ((special & (kInfinite | kNaN)) != 0) return one(kInfinite);
    if ((re.special & im.special) != 0) return one(kZero);
    int exponent = re.special != 0   ? im.exponent
                   : im.special != 0 ? re.exponent
                                     : max(re.exponent, im.exponent);
    exponent -= kLift;
    return {component(re, exponent), component(im, exponent), exponent, 0};
  }

  static METAL_FUNC float component(Number x, int exponent) {
    if (x.special != 0 || x.exponent < exponent - 126) return 0;
    return scaled(x.mantissa, x.exponent - exponent);
  }

  // The exponent of the larger component, clamped as in product.h.
  static METAL_FUNC int magnitude(Prefix s) {
    return clamp(s.exponent + kLift, -kFarLevel, kFarLevel);
  }

  static METAL_FUNC Prefix multiplied(Prefix a, Prefix b) {
    Wide minus = {-b.im.hi, -b.im.lo};
    return lifted({add(multiply(a.re, b.re), multiply(a.im, minus)),
                   add(multiply(a.re, b.im), multiply(a.im, b.re)),
                   clamp(a.exponent + b.exponent, -kFarExponent, kFarExponent),
                   a.special | b.special});
  }

  static METAL_FUNC Prefix lifted(Prefix s) {
    int excess = exponent_of(max(abs(s.re.hi), abs(s.im.hi))) - kLift;
    float factor = power_of_two(-excess);
    return {scale(s.re, factor), scale(s.im, factor), s.exponent + excess,
            s.special};
  }

  static METAL_FUNC Prefix saturated(uint special) {
    return {{0, 0}, {0, 0}, 0, special};
  }
  static METAL_FUNC Prefix pair(float re, float im) {
    bool both =
        is_nan_bits(as_type<uint>(re)) && is_nan_bits(as_type<uint>(im));
    return {{re, 0}, {im, 0}, 0, both ? kNaN : kPair};
  }

  static METAL_FUNC uint canonical(float component) {
    uint bits = as_type<uint>(component);
    return is_nan_bits(bits) ? kNaNBits : bits;
  }

  static METAL_FUNC Prefix textbook(uint2 z, uint2 x) {
    float a = unflushed(z.x), b = unflushed(z.y);
    float c = unflushed(x.x), d = unflushed(x.y);
    return pair(a * c - b * d, a * d + b * c);
  }

  // Beside an infinity only the class of a number counts, and a subnormal
  // number is not in the class of zero.
  static METAL_FUNC float unflushed(uint bits) {
    bool subnormal = (bits & kInfinityBits) == 0 && (bits & kFractionBits) != 0;
    return as_type<float>(subnormal ? (bits & kSignBit) | 0x00800000u : bits);
  }
};

}  // namespace upsweep
