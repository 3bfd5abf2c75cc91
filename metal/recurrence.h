// Linear recurrences h = a · h + b as a monoid: an element (a, b) is the map
// from the h before it to the h after it, and so is what neighbouring elements
// make together. h never saturates, so aggregates alone determine it, but an
// infinity or a NaN among the elements or in h does what it does in the loop:
// a small table says what becomes of each kind of h.
//
// Each step may cost 11 · 2^-48 of the recurrence of the magnitudes
// (docs/guides/numerics.rst), by the bounds that wide.h refers to: five for a
// product and three for a sum of two Wides. On the fast path, where Wides are
// only renormalised after every kPairsApart elements, a step costs up to 17,
// and 11 on average.
#pragma once

namespace upsweep {

// The exponents of numbers are clamped to this, which takes 2^20 factors near
// the end of the range; zero has kNoExponent. Sums of two exponents then still
// tell products with zero from others.
constant constexpr int kMostExponent = 1 << 27;
constant constexpr int kNoExponent = -(1 << 29);

// mantissa · 2^exponent, with the magnitude of the mantissa in [1, 2) or 0.
struct WideNumber {
  Wide mantissa;
  int exponent;
};

METAL_FUNC WideNumber wide_number(Wide x, int exponent) {
  int excess = exponent_of(x.hi);
  // What is subnormal here does not count beside what it is left of.
  if (excess == -127) return {{0, 0}, kNoExponent};
  return {scale(x, power_of_two(-excess)),
          clamp(exponent + excess, -kMostExponent, kMostExponent)};
}

METAL_FUNC WideNumber wide_number(Number x) {
  if (x.special != 0) return {{0, 0}, kNoExponent};
  return {{x.mantissa, 0}, x.exponent};
}

METAL_FUNC WideNumber multiply(WideNumber a, WideNumber b) {
  return wide_number(multiply(a.mantissa, b.mantissa), a.exponent + b.exponent);
}

// The mantissa of a number with a higher exponent.
METAL_FUNC Wide raised(Wide mantissa, int by) {
  return scale(mantissa, power_of_two(max(-by, -80)));
}

// a · h + b
METAL_FUNC WideNumber multiply_add(WideNumber a, WideNumber h, WideNumber b) {
  Wide product = multiply(a.mantissa, h.mantissa);
  int exponent = a.exponent + h.exponent;
  int top = max(exponent, b.exponent);
  product = raised(product, top - exponent);
  Wide term = raised(b.mantissa, top - b.exponent);
  Wide sum = two_sum(product.hi, term.hi);
  float low = (product.lo + term.lo) + sum.lo;
  return wide_number(fast_two_sum(sum.hi, low), top);
}

// The kinds of an h that is not finite; a finite one has the kind 0. They are
// what a table has for each h, in two bits: for one that is positive, zero or
// negative, then for each of these kinds.
constant constexpr uint kPlusInfinity = 1;
constant constexpr uint kMinusInfinity = 2;
constant constexpr uint kNotANumber = 3;
constant constexpr uint kOfFinite = 63;  // entries
constant constexpr uint kEachEntry = 0x555;

METAL_FUNC uint entry_of(float h) { return h > 0 ? 0 : h < 0 ? 2 : 1; }
METAL_FUNC uint entry_of_kind(uint kind) { return 2 + kind; }
METAL_FUNC uint look_up(uint table, uint entry) {
  return (table >> (2 * entry)) & 3;
}

METAL_FUNC uint kind_of(float h) {
  uint bits = as_type<uint>(h);
  if ((bits & ~kSignBit) < kInfinityBits) return 0;
  if (is_nan_bits(bits)) return kNotANumber;
  return bits == kInfinityBits ? kPlusInfinity : kMinusInfinity;
}

// Of one that is not 0.
METAL_FUNC float float_of_kind(uint kind) {
  if (kind == kNotANumber) return as_type<float>(uint(kNaNBits));
  uint sign = kind == kMinusInfinity ? kSignBit : 0;
  return as_type<float>(kInfinityBits | sign);
}

// Elements on the fast path from one renormalisation to the next.
constant constexpr uint kPairsApart = 4;

template <class F>
struct Recurrence {
  using Value = typename F::Value;
  static constant constexpr bool kCanExitRange = false;
  static constant constexpr bool kHasCarryNumbers = false;

  struct Prefix {
    WideNumber h;  // zero unless finite
    uint kind;
  };
  // A finite h becomes a · h + b just before the first element that is not
  // finite, and the table has what follows from that: 0 if there is no such
  // element. For other h, 0 stands for b, because a reset must lie between.
  struct Aggregate {
    WideNumber a;
    WideNumber b;
    uint table;
  };
  // The table where there is neither a reset nor anything but finite numbers:
  // the sign of a decides what becomes of an infinity.
  static constant constexpr uint kPlain = ~0u;
  // The table after a reset, until something is not finite.
  static constant constexpr uint kAfterReset = 0;

  static METAL_FUNC Prefix initial() { return {zero(), 0}; }
  static METAL_FUNC Aggregate identity() { return {one(), zero(), kPlain}; }

  static METAL_FUNC Aggregate element(Value a, Value b, bool is_reset) {
    uint a_bits = F::widen(a), b_bits = F::widen(b);
    Number x = split(a_bits), y = split(b_bits);
    bool b_is_finite = (y.special & ~kZero) == 0;
    if (is_reset && b_is_finite) return {zero(), wide_number(y), kAfterReset};
    if (is_reset) {
      return {zero(), zero(), kEachEntry * kind_of(as_type<float>(b_bits))};
    }
    return element(a, x, wide_number(y),
                   b_is_finite ? 0 : as_type<float>(b_bits));
  }

  // Of a factor, as it is and as a number, and a term, which if it is not
  // finite is `special`, and else 0 is that.
  static METAL_FUNC Aggregate element(Value a, Number x, WideNumber b,
                                      float special) {
    bool is_finite = (x.special & ~kZero) == 0 && special == 0;
    if (is_finite) return {wide_number(x), b, kPlain};
    float factor = x.special == 0 ? x.mantissa : as_type<float>(F::widen(a));
    return {one(), zero(), special_table(factor, special)};
  }

  static METAL_FUNC Aggregate combine(Aggregate f, Aggregate g) {
    Aggregate both = {multiply(g.a, f.a), multiply_add(g.a, f.b, g.b), g.table};
    if (g.table == kAfterReset || (f.table == kPlain && g.table == kPlain)) {
      return both;
    }
    uint first = whole_table(f), then = whole_table(g);
    both.table = 0;
    UPSWEEP_ROLL
    for (uint entry = 0; entry < 6; ++entry) {
      uint kind = look_up(first, entry);
      uint at = kind != 0   ? entry_of_kind(kind)
                : entry < 3 ? entry
                            : entry_of(both.b.mantissa.hi);
      both.table |= look_up(then, at) << (2 * entry);
    }
    if ((first & kOfFinite) != 0) return {f.a, f.b, both.table};
    return both;
  }

  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {shuffle_number_up(t.a, delta), shuffle_number_up(t.b, delta),
            upsweep::shuffle_up(t.table, delta)};
  }

  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    WideNumber h = multiply_add(t.a, s.h, t.b);
    if (s.kind == 0 && t.table == kPlain) return {h, 0};
    uint entry = s.kind != 0 ? entry_of_kind(s.kind) : entry_of(h.mantissa.hi);
    uint kind = look_up(whole_table(t), entry);
    if (kind != 0) return {zero(), kind};
    return {h, 0};
  }

  // The Prefix of a line that starts with x.
  static METAL_FUNC Prefix advance_unchecked(Prefix, Value x) {
    return apply(initial(), element(x, x, true));
  }

  static METAL_FUNC Value value(Prefix s) {
    if (s.kind != 0) return F::narrow(as_type<uint>(float_of_kind(s.kind)));
    return F::narrow(join_bits(s.h.mantissa, s.h.exponent));
  }

  // The fast path follows numbers as they are. Beside errors relative to S, the
  // recurrence of the magnitudes, a step then costs up to 2^-124, because
  // subnormal numbers are flushed, which does not count while S is 0 or at
  // least 2^kLeastReach. A lower bound of S is enough: the greatest of its
  // terms. S cannot become 0 unseen if no factor but 0 is below 2^kLeastFactor.
  // Then the product of the factors, which is lifted every time it is
  // renormalised, is also large enough. Whatever gets too large stays so, or
  // becomes NaN.
  static constant constexpr int kLeastReach = -74;
  static constant constexpr int kMostReach = 126;
  static constant constexpr int kLeastFactor = -29;
  static constant constexpr int kFactorLift = 40;

  struct FastPrefix {
    Wide h;
    float reach;
    uint least;  // of the bits of all reaches, less one: 0 does not count
  };
  struct FastFactor {
    Wide a;
    int exponent;
    uint least;  // likewise, of twice the bits of the factors
  };
  struct FastAggregate {
    FastFactor a;
    FastPrefix b;
  };

  static METAL_FUNC FastFactor fast_one() {
    return {{power_of_two(kFactorLift), 0}, -kFactorLift, ~0u};
  }
  static METAL_FUNC FastFactor fast_multiply(FastFactor q, Value x) {
    float factor = as_type<float>(F::widen(x));
    Wide product = two_product(q.a.hi, factor);
    product.lo = fma(q.a.lo, factor, product.lo);
    return {product, q.exponent, min(q.least, 2 * as_type<uint>(factor) - 1)};
  }
  static METAL_FUNC FastFactor fast_normalize(FastFactor q) {
    int excess = exponent_of(q.a.hi) - kFactorLift;
    return {scale(fast_two_sum(q.a.hi, q.a.lo), power_of_two(-excess)),
            q.exponent + excess, q.least};
  }
  static METAL_FUNC bool fast_is_valid(FastFactor q) {
    uint least = 2 * as_type<uint>(power_of_two(kLeastFactor)) - 1;
    return q.least >= least && abs(q.a.hi) < power_of_two(kFactorLift + 1);
  }

  static METAL_FUNC FastPrefix fast_zero() { return {{0, 0}, 0, ~0u}; }
  static METAL_FUNC FastAggregate fast_identity() {
    return {fast_one(), fast_zero()};
  }
  static METAL_FUNC FastAggregate fast_accumulate(FastAggregate q, Value a,
                                                  Value b) {
    return {fast_multiply(q.a, a), fast_advance(q.b, a, b)};
  }
  static METAL_FUNC FastAggregate fast_normalize(FastAggregate q) {
    return {fast_normalize(q.a), fast_normalize(q.b)};
  }
  static METAL_FUNC bool fast_is_valid(FastAggregate q) {
    return fast_is_valid(q.a) && fast_is_valid(q.b);
  }
  static METAL_FUNC Aggregate fast_aggregate(FastAggregate q, bool has_reset) {
    return {wide_number(q.a.a, q.a.exponent), wide_number(q.b.h, 0),
            has_reset ? kAfterReset : kPlain};
  }

  static METAL_FUNC bool fast_applies(Prefix s) {
    return s.kind == 0 &&
           (s.h.exponent == kNoExponent ||
            (s.h.exponent >= kLeastReach && s.h.exponent < kMostReach - 1));
  }
  static METAL_FUNC FastPrefix fast_prefix(Prefix s) {
    bool is_zero = s.h.exponent == kNoExponent;
    Wide h = scale(s.h.mantissa, power_of_two(is_zero ? 0 : s.h.exponent));
    return {h, abs(h.hi), (as_type<uint>(h.hi) & ~kSignBit) - 1};
  }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix s, Value a, Value b) {
    float term = as_type<float>(F::widen(b));
    return fast_advance(s, as_type<float>(F::widen(a)), {term, -0.0f});
  }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix s, float factor,
                                            Wide term) {
    Wide product = two_product(s.h.hi, factor);
    Wide sum = two_sum(product.hi, term.hi);
    float low = fma(s.h.lo, factor, product.lo) + (sum.lo + term.lo);
    uint reach = max(as_type<uint>(s.reach * abs(factor)),
                     as_type<uint>(term.hi) & ~kSignBit);
    return {{sum.hi, low}, as_type<float>(reach), min(s.least, reach - 1)};
  }
  static METAL_FUNC FastPrefix fast_normalize(FastPrefix s) {
    return {two_sum(s.h.hi, s.h.lo), s.reach, s.least};
  }
  // Just after fast_normalize.
  static METAL_FUNC bool fast_is_valid(FastPrefix s) {
    return s.least >= as_type<uint>(power_of_two(kLeastReach)) - 1 &&
           abs(s.h.hi) < power_of_two(kMostReach);
  }
  // That of the least reach but 0; at most 1 too low.
  static METAL_FUNC int fast_least_exponent(FastPrefix s) {
    return int(s.least >> 23) - 127;
  }
  static METAL_FUNC Prefix exact_prefix(FastPrefix s) {
    return {wide_number(s.h, 0), 0};
  }
  static METAL_FUNC Value fast_value(FastPrefix s) {
    return F::rounded(as_type<uint>(s.h.hi + s.h.lo));
  }

 private:
  static METAL_FUNC WideNumber zero() { return {{0, 0}, kNoExponent}; }
  static METAL_FUNC WideNumber one() { return {{1, 0}, 0}; }

  static METAL_FUNC WideNumber shuffle_number_up(WideNumber x, ushort delta) {
    return {upsweep::shuffle_up(x.mantissa, delta),
            upsweep::shuffle_up(x.exponent, delta)};
  }

  static METAL_FUNC uint whole_table(Aggregate t) {
    if (t.table != kPlain) return t.table;
    float a = t.a.mantissa.hi;
    uint plus = a > 0 ? kPlusInfinity : a < 0 ? kMinusInfinity : kNotANumber;
    uint minus = a > 0 ? kMinusInfinity : a < 0 ? kPlusInfinity : kNotANumber;
    return plus << (2 * entry_of_kind(kPlusInfinity)) |
           minus << (2 * entry_of_kind(kMinusInfinity)) |
           kNotANumber << (2 * entry_of_kind(kNotANumber));
  }

  // The table of an element that is not finite; only the sign of what is finite
  // counts.
  static METAL_FUNC uint special_table(float factor, float term) {
    uint bits = kInfinityBits;
    float infinity = as_type<float>(bits);
    return kind_of(factor + term) | kind_of(factor * 0 + term) << 2 |
           kind_of(-factor + term) << 4 |
           kind_of(factor * infinity + term) << 6 |
           kind_of(factor * -infinity + term) << 8 | kNotANumber << 10;
  }
};

}  // namespace upsweep
