// Sums of floats, as Wide. Sums are scaled, so that the smallest elements are
// not flushed and a group of large ones does not overflow: up while all
// elements are small, down from the first large one on. What the small ones
// then lose is below 2^-60 of the large one.
#pragma once

namespace upsweep {

template <class F>
struct Scaling {
  static constant constexpr int kLarge = -30;
  static constant constexpr int kUp = 88;
  static constant constexpr int kDown = -32;
};
// All float16 numbers are well within the range of a float.
template <>
struct Scaling<Float16> {
  static constant constexpr int kLarge = -1000;
  static constant constexpr int kUp = 0;
  static constant constexpr int kDown = 0;
};

// Kinds of special sums, in addition to kNaN, and the mark of a large element.
constant constexpr uint kPlusInfinite = 1;
constant constexpr uint kMinusInfinite = 2;
constant constexpr uint kSpecial = 7;
constant constexpr uint kHasLarge = 8;

template <class F>
struct Sum {
  using Value = typename F::Value;
  using S = Scaling<F>;
  static constant constexpr bool kCanExitRange = true;
  static constant constexpr bool kExitSuffices = true;
  static constant constexpr bool kHasFastPath = true;
  static constant constexpr bool kHasCarryNumbers = true;

  struct Prefix {
    Wide sum;
    uint kinds;
  };
  struct Aggregate {
    Prefix sum;
    float reach;  // sum of the magnitudes of large elements, scaled down
  };
  using RangeExit = uint;

  static METAL_FUNC Prefix initial() { return {{0, 0}, 0}; }
  static METAL_FUNC Aggregate identity() { return {initial(), 0}; }
  static METAL_FUNC Prefix from_carry(CarryNumber number) {
    Number first = split(as_type<uint>(number.re));
    if ((first.special & (kInfinite | kNaN)) != 0) {
      return add_number(initial(), first);
    }
    bool large = first.special == 0 && number.exponent >= S::kLarge;
    int exponent = number.exponent + (large ? S::kDown : S::kUp);
    return {scale({number.re, number.re_low}, power_of_two(exponent)),
            large ? kHasLarge : 0};
  }

  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return add_number(s, split(F::widen(x)));
  }

  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    Number number = split(F::widen(x));
    t.sum = add_number(t.sum, number);
    bool counts = number.special == 0 && number.exponent >= S::kLarge;
    if (counts) {
      t.reach += abs(scaled(number.mantissa, number.exponent + S::kDown));
    }
    return t;
  }

  static METAL_FUNC CarryNumber to_carry(Prefix s) {
    if ((s.kinds & kSpecial) != 0) {
      float special = as_type<float>(F::widen(value(s)));
      return {special, 0, 0, 0, 0, 0, {0, 0}};
    }
    bool large = (s.kinds & kHasLarge) != 0;
    return {s.sum.hi, s.sum.lo, 0, 0, large ? -S::kDown : -S::kUp, 0, {0, 0}};
  }
  // The bounds are rounded up, and count small elements.
  static METAL_FUNC ChunkCarry chunk_carry(Prefix s, Aggregate t) {
    CarryNumber total = to_carry(t.sum);
    float reach = t.reach * (1.001f * power_of_two(-S::kDown)) +
                  (S::kUp == 0 ? 0.0f : 4.0f);
    bool special = (t.sum.kinds & kSpecial) != 0;
    return {total, to_carry(s), -reach, reach, special ? total.re : 0, 0};
  }

  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    return {add_prefixes(a.sum, b.sum), a.reach + b.reach};
  }

  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {{upsweep::shuffle_up(t.sum.sum, delta),
             upsweep::shuffle_up(t.sum.kinds, delta)},
            upsweep::shuffle_up(t.reach, delta)};
  }

  static METAL_FUNC Aggregate restart(Aggregate t) {
    return {initial(), t.reach};
  }

  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    return add_prefixes(s, t.sum);
  }

  static METAL_FUNC Value value(Prefix s) {
    uint kinds = s.kinds & kSpecial;
    if (kinds == kPlusInfinite) return F::narrow(kInfinityBits);
    if (kinds == kMinusInfinite) return F::narrow(kSignBit | kInfinityBits);
    if (kinds != 0) return F::narrow(kNaNBits);
    bool large = (s.kinds & kHasLarge) != 0;
    // A short format is rounded a second time.
    float sum = sizeof(Value) == 2 ? round_to_odd(s.sum) : s.sum.hi + s.sum.lo;
    return F::narrow(join_bits(sum, large ? -S::kDown : -S::kUp));
  }

  // Small elements cannot take a sum out of the range.
  static METAL_FUNC bool is_safe(Prefix s, Aggregate t) {
    float from = (s.kinds & kHasLarge) != 0 ? abs(s.sum.hi) : 0.0f;
    float limit = 0.9f * power_of_two(F::kHighest + 1 + S::kDown);
    return (s.kinds & kSpecial) != 0 || from + t.reach < limit;
  }

  static METAL_FUNC Prefix advance(Prefix s, Value x) {
    s = advance_unchecked(s, x);
    if ((s.kinds & kSpecial) == 0 &&
        (value(s) & F::kMagnitude) == F::kInfinity) {
      s.kinds |= s.sum.hi > 0 ? kPlusInfinite : kMinusInfinite;
    }
    return s;
  }

  static METAL_FUNC bool is_live(Prefix s) { return (s.kinds & kSpecial) == 0; }
  static METAL_FUNC RangeExit no_exit() { return 0; }
  static METAL_FUNC RangeExit exit_at(Prefix s, int) {
    return s.kinds & kSpecial;
  }
  static METAL_FUNC RangeExit exit_of_carry(Prefix) { return 0; }
  static METAL_FUNC bool has_exited(RangeExit e) { return e != 0; }
  static METAL_FUNC RangeExit shuffle_up(RangeExit e, ushort delta) {
    return upsweep::shuffle_up(e, delta);
  }

  // A sum that leaves the range continues like one that has met an infinity.
  template <class Line>
  static METAL_FUNC Prefix resume(Prefix s, RangeExit e, Line, int) {
    s.kinds |= e;
    return s;
  }

  // The fast path adds elements as they are. It is right if none of them is so
  // small or so large that a float32 loses bits of a sum; zeros lose none.
  struct FastAggregate {
    Wide sum;
    uint least;   // twice the least bits that are not zero, less one
    float reach;  // sum of the magnitudes
  };
  struct FastPrefix {
    Wide sum;
  };

  static METAL_FUNC FastAggregate fast_identity() { return {{0, 0}, ~0u, 0}; }
  static METAL_FUNC FastAggregate fast_accumulate(FastAggregate q, Value x) {
    uint bits = F::widen(x);
    float term = as_type<float>(bits);
    return {plus(q.sum, term), min(q.least, 2 * bits - 1), q.reach + abs(term)};
  }
  static METAL_FUNC FastAggregate fast_normalize(FastAggregate q) {
    return {two_sum(q.sum.hi, q.sum.lo), q.least, q.reach};
  }
  // What it keeps is the largest sum of magnitudes before; one that is not
  // finite leaves a NaN.
  static METAL_FUNC FastAggregate fast_restart(FastAggregate q,
                                               thread float& earlier) {
    earlier = max(earlier, q.reach);
    return {{0, 0}, q.least, q.reach * 0.0f};
  }
  static METAL_FUNC Aggregate fast_bounded(Aggregate t, float earlier) {
    return {t.sum, max(t.reach, earlier * power_of_two(S::kDown))};
  }
  static METAL_FUNC bool fast_is_valid(FastAggregate q) {
    return q.least >= 2 * as_type<uint>(power_of_two(-kFastRange)) - 1 &&
           q.reach < power_of_two(kFastRange);
  }
  static METAL_FUNC Aggregate fast_aggregate(FastAggregate q) {
    bool large = q.reach >= power_of_two(-30);
    float factor = power_of_two(large ? S::kDown : S::kUp);
    return {{scale(q.sum, factor), large ? kHasLarge : 0},
            large ? q.reach * power_of_two(S::kDown) : 0};
  }

  static METAL_FUNC bool is_constant(Prefix s) {
    return (s.kinds & kSpecial) != 0;
  }
  static METAL_FUNC bool fast_applies(Prefix s, Aggregate) {
    bool large = (s.kinds & kHasLarge) != 0;
    float least = power_of_two(-kFastRange + (large ? S::kDown : S::kUp));
    return (s.kinds & kSpecial) == 0 &&
           (s.sum.hi == 0 || abs(s.sum.hi) >= least) &&
           abs(s.sum.hi) < power_of_two(64);
  }
  static METAL_FUNC FastPrefix fast_prefix(Prefix s) { return {unscaled(s)}; }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix s, Value x) {
    return {plus(s.sum, as_type<float>(F::widen(x)))};
  }
  static METAL_FUNC FastPrefix fast_normalize(FastPrefix s) {
    return {two_sum(s.sum.hi, s.sum.lo)};
  }
  static METAL_FUNC Value fast_value(FastPrefix s) {
    Wide parts = two_sum(s.sum.hi, s.sum.lo);
    float sum = sizeof(Value) == 2 ? round_to_odd(parts) : s.sum.hi + s.sum.lo;
    return F::rounded(as_type<uint>(sum));
  }

 private:
  // Adds a term without renormalising, which is safe for a few terms.
  static METAL_FUNC Wide plus(Wide sum, float term) {
    Wide next = two_sum(sum.hi, term);
    return {next.hi, sum.lo + next.lo};
  }
  static METAL_FUNC Wide unscaled(Prefix s) {
    bool large = (s.kinds & kHasLarge) != 0;
    return scale(s.sum, power_of_two(large ? -S::kDown : -S::kUp));
  }

  static METAL_FUNC Prefix add_number(Prefix s, Number x) {
    if (x.special != 0) {
      if (x.special == kNaN) s.kinds |= kNaN;
      if (x.special == kInfinite) {
        s.kinds |= x.mantissa > 0 ? kPlusInfinite : kMinusInfinite;
      }
      return s;
    }
    bool large = x.exponent >= S::kLarge;
    float term = scaled(x.mantissa, x.exponent + (large ? S::kDown : S::kUp));
    Wide sum = s.sum;
    bool was_large = (s.kinds & kHasLarge) != 0;
    if (large && !was_large) sum = scaled_down(sum);
    if (was_large && !large) term = scaled_down({term, 0}).hi;
    return {add(sum, term), s.kinds | (large ? kHasLarge : 0)};
  }

  static METAL_FUNC Prefix add_prefixes(Prefix a, Prefix b) {
    bool large = ((a.kinds | b.kinds) & kHasLarge) != 0;
    if (large && (a.kinds & kHasLarge) == 0) a.sum = scaled_down(a.sum);
    if (large && (b.kinds & kHasLarge) == 0) b.sum = scaled_down(b.sum);
    return {add(a.sum, b.sum), a.kinds | b.kinds};
  }

  // From scaled up to scaled down.
  static METAL_FUNC Wide scaled_down(Wide sum) {
    return scale(sum, power_of_two(S::kDown - S::kUp));
  }
};

}  // namespace upsweep
