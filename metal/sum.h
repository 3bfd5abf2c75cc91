// Sums of floats, as Wide. So that neither the smallest elements are flushed
// nor a group of large ones overflows, sums are scaled: up as long as all
// elements are small, down from the first large one on. What is then lost of
// the small ones is below 2^-60 of the large one.
#pragma once

namespace upsweep {

template <class F>
struct Scaling {
  static constant constexpr int kLarge = -30;
  static constant constexpr int kUp = 88;
  static constant constexpr int kDown = -32;
};
// All numbers of float16 stand well within the range of a float.
template <>
struct Scaling<Float16> {
  static constant constexpr int kLarge = -1000;
  static constant constexpr int kUp = 0;
  static constant constexpr int kDown = 0;
};

// Kinds of special sums, beside kNaN; and that there has been a large element.
constant constexpr uint kPlusInfinite = 1;
constant constexpr uint kMinusInfinite = 2;
constant constexpr uint kSpecial = 7;
constant constexpr uint kHasLarge = 8;

template <class F>
struct Sum {
  using Value = typename F::Value;
  using S = Scaling<F>;
  static constant constexpr bool kExits = true;
  static constant constexpr bool kQuick = true;

  struct State {
    Wide sum;
    uint kinds;
  };
  struct Total {
    State sum;
    float reach;  // sum of the magnitudes of large elements, scaled down
  };
  using Event = uint;

  static METAL_FUNC State start() { return {{0, 0}, 0}; }
  static METAL_FUNC Total none() { return {start(), 0}; }

  static METAL_FUNC State step(State s, Value x) {
    return stepped(s, split(F::widen(x)));
  }

  static METAL_FUNC Total take(Total t, Value x) {
    Number number = split(F::widen(x));
    t.sum = stepped(t.sum, number);
    bool counts = number.special == 0 && number.exponent >= S::kLarge;
    if (counts) {
      t.reach += abs(scaled(number.mantissa, number.exponent + S::kDown));
    }
    return t;
  }

  static METAL_FUNC Total join(Total a, Total b) {
    return {added(a.sum, b.sum), a.reach + b.reach};
  }

  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return {{upsweep::shuffle_up(t.sum.sum, delta),
             upsweep::shuffle_up(t.sum.kinds, delta)},
            upsweep::shuffle_up(t.reach, delta)};
  }

  static METAL_FUNC State after(State s, Total t) { return added(s, t.sum); }

  static METAL_FUNC Value value(State s) {
    uint kinds = s.kinds & kSpecial;
    if (kinds == kPlusInfinite) return F::narrow(kInfinityBits);
    if (kinds == kMinusInfinite) return F::narrow(kSignBit | kInfinityBits);
    if (kinds != 0) return F::narrow(kNaNBits);
    bool large = (s.kinds & kHasLarge) != 0;
    // A short format rounds once more.
    float sum = sizeof(Value) == 2 ? round_to_odd(s.sum) : s.sum.hi + s.sum.lo;
    return F::narrow(join_bits(sum, large ? -S::kDown : -S::kUp));
  }

  // Small elements cannot lead a sum out of the range.
  static METAL_FUNC bool safe(State s, Total t) {
    float from = (s.kinds & kHasLarge) != 0 ? abs(s.sum.hi) : 0.0f;
    float limit = 0.9f * power_of_two(F::kHighest + 1 + S::kDown);
    return (s.kinds & kSpecial) != 0 || from + t.reach < limit;
  }

  static METAL_FUNC State advance(State s, Value x) {
    s = step(s, x);
    if ((s.kinds & kSpecial) == 0 &&
        (value(s) & F::kMagnitude) == F::kInfinity) {
      s.kinds |= s.sum.hi > 0 ? kPlusInfinite : kMinusInfinite;
    }
    return s;
  }

  static METAL_FUNC bool alive(State s) { return (s.kinds & kSpecial) == 0; }
  static METAL_FUNC Event no_event() { return 0; }
  static METAL_FUNC Event event(State s, int) { return s.kinds & kSpecial; }
  static METAL_FUNC Event carried(State) { return 0; }
  static METAL_FUNC bool happened(Event e) { return e != 0; }
  static METAL_FUNC Event shuffle_up(Event e, ushort delta) {
    return upsweep::shuffle_up(e, delta);
  }

  // A sum that leaves the range goes on like one that has met an infinity.
  static METAL_FUNC State resume(State s, Event e, Line<Value>, int) {
    s.kinds |= e;
    return s;
  }

  // The quick way adds elements as they are. It is right where none of them is
  // so small or so large that a float32 loses bits of a sum; zeros lose none.
  struct Quick {
    Wide sum;
    uint least;   // twice the bits of what is not zero, less one
    float reach;  // sum of the magnitudes
  };
  struct QuickState {
    Wide sum;
  };

  static METAL_FUNC Quick quick() { return {{0, 0}, ~0u, 0}; }
  static METAL_FUNC Quick quick_take(Quick q, Value x) {
    uint bits = F::widen(x);
    float term = as_type<float>(bits);
    return {plus(q.sum, term), min(q.least, 2 * bits - 1), q.reach + abs(term)};
  }
  static METAL_FUNC Quick quick_ordered(Quick q) {
    return {two_sum(q.sum.hi, q.sum.lo), q.least, q.reach};
  }
  static METAL_FUNC bool quick_holds(Quick q) {
    return q.least >= 2 * as_type<uint>(power_of_two(-kQuickRange)) - 1 &&
           q.reach < power_of_two(kQuickRange);
  }
  static METAL_FUNC Total quick_total(Quick q) {
    bool large = q.reach >= power_of_two(-30);
    float factor = power_of_two(large ? S::kDown : S::kUp);
    return {{scale(q.sum, factor), large ? kHasLarge : 0},
            large ? q.reach * power_of_two(S::kDown) : 0};
  }

  static METAL_FUNC bool stays(State s) { return (s.kinds & kSpecial) != 0; }
  static METAL_FUNC bool quick_from(State s, Total) {
    bool large = (s.kinds & kHasLarge) != 0;
    float least = power_of_two(-kQuickRange + (large ? S::kDown : S::kUp));
    return (s.kinds & kSpecial) == 0 &&
           (s.sum.hi == 0 || abs(s.sum.hi) >= least) &&
           abs(s.sum.hi) < power_of_two(64);
  }
  static METAL_FUNC QuickState quick_state(State s) { return {unscaled(s)}; }
  static METAL_FUNC QuickState quick_step(QuickState s, Value x) {
    return {plus(s.sum, as_type<float>(F::widen(x)))};
  }
  static METAL_FUNC QuickState quick_ordered(QuickState s) {
    return {two_sum(s.sum.hi, s.sum.lo)};
  }
  static METAL_FUNC Value quick_value(QuickState s) {
    Wide parts = two_sum(s.sum.hi, s.sum.lo);
    float sum = sizeof(Value) == 2 ? round_to_odd(parts) : s.sum.hi + s.sum.lo;
    return F::rounded(as_type<uint>(sum));
  }

 private:
  // For a few terms, between which the parts of a sum are not brought into
  // order.
  static METAL_FUNC Wide plus(Wide sum, float term) {
    Wide next = two_sum(sum.hi, term);
    return {next.hi, sum.lo + next.lo};
  }
  static METAL_FUNC Wide unscaled(State s) {
    bool large = (s.kinds & kHasLarge) != 0;
    return scale(s.sum, power_of_two(large ? -S::kDown : -S::kUp));
  }

  static METAL_FUNC State stepped(State s, Number x) {
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
    if (large && !was_large) sum = lowered(sum);
    if (was_large && !large) term = lowered({term, 0}).hi;
    return {add(sum, term), s.kinds | (large ? kHasLarge : 0)};
  }

  static METAL_FUNC State added(State a, State b) {
    bool large = ((a.kinds | b.kinds) & kHasLarge) != 0;
    if (large && (a.kinds & kHasLarge) == 0) a.sum = lowered(a.sum);
    if (large && (b.kinds & kHasLarge) == 0) b.sum = lowered(b.sum);
    return {add(a.sum, b.sum), a.kinds | b.kinds};
  }

  // From scaled up to scaled down.
  static METAL_FUNC Wide lowered(Wide sum) {
    return scale(sum, power_of_two(S::kDown - S::kUp));
  }
};

}  // namespace upsweep
