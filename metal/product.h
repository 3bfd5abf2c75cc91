// Products of floats: a Wide mantissa and an integer exponent, so that a
// product cannot overflow however the factors are grouped. Each factor may cost
// 2^-48 of the product: at most n · 2^-48 for n of them, and about the square
// root of that unless the same few repeat for ever. Even for float16 and
// bfloat16 a single float would not do, for then a line of 2^20 could be an ulp
// off.
#pragma once

namespace upsweep {

// No exponent of a total grows beyond this: what has come so far has passed an
// exit on its way, and is not looked at again.
constant constexpr int kFarExponent = 1 << 28;

// Exponents of products on the quick way.
constant constexpr int kQuickRange = 60;

template <class F>
struct Product {
  using Value = typename F::Value;
  static constant constexpr bool kExits = true;
  static constant constexpr bool kQuick = true;

  // Once something special has come, its kinds and the sign of the mantissa
  // tell all there is to know.
  struct State {
    Wide mantissa;
    int exponent;
    uint special;
  };
  // Between 2^low and 2^(high + 1) are the magnitudes of all products on the
  // way, up to the first special element. Of a product of two numbers one only
  // knows its exponent to be the sum of theirs, or one more.
  struct Total {
    State product;
    int low;
    int high;
  };
  using Event = uint;  // the kinds of special that the step led to

  static METAL_FUNC State start() { return {{1, 0}, 0, 0}; }
  static METAL_FUNC Total none() { return {start(), 0, 0}; }

  // For as many factors as a thread has: the mantissa is neither brought back
  // to [1, 2) nor are its parts brought into order.
  static METAL_FUNC State step(State s, Value x) {
    Number factor = split(F::widen(x));
    Wide product = two_product(s.mantissa.hi, factor.mantissa);
    product.lo = fma(s.mantissa.lo, factor.mantissa, product.lo);
    return {product, s.exponent + factor.exponent, s.special | factor.special};
  }

  static METAL_FUNC Total take(Total t, Value x) {
    t.product = step(t.product, x);
    int exponent = magnitude(t.product);
    bool counts = t.product.special == 0;
    t.low = counts ? min(t.low, exponent) : t.low;
    t.high = counts ? max(t.high, exponent) : t.high;
    return t;
  }

  static METAL_FUNC Total join(Total a, Total b) {
    bool counts = a.product.special == 0;
    int low = min(a.low, magnitude(a.product) + b.low);
    int high = max(a.high, magnitude(a.product) + b.high + 1);
    return {multiplied(a.product, b.product), counts ? low : a.low,
            counts ? high : a.high};
  }

  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return {{upsweep::shuffle_up(t.product.mantissa, delta),
             upsweep::shuffle_up(t.product.exponent, delta),
             upsweep::shuffle_up(t.product.special, delta)},
            upsweep::shuffle_up(t.low, delta),
            upsweep::shuffle_up(t.high, delta)};
  }

  static METAL_FUNC State after(State s, Total t) {
    s = multiplied(s, t.product);
    if (s.special != 0) s.exponent = 0;
    return s;
  }

  static METAL_FUNC Value value(State s) {
    float mantissa = s.mantissa.hi + s.mantissa.lo;
    if (s.special != 0) {
      uint sign = as_type<uint>(mantissa) & kSignBit;
      return F::narrow(special_bits(s.special, sign));
    }
    return F::narrow(join_bits(mantissa, s.exponent));
  }

  // Two binades are left to each side: one for the mantissas, one for rounding.
  static METAL_FUNC bool safe(State s, Total t) {
    return s.special != 0 || (magnitude(s) + t.low > F::kLowest &&
                              magnitude(s) + t.high < F::kHighest - 1);
  }

  static METAL_FUNC State advance(State s, Value x) {
    s = step(s, x);
    if (s.special == 0) {
      uint magnitude = value(s) & F::kMagnitude;
      if (magnitude == 0) s.special = kZero;
      if (magnitude == F::kInfinity) s.special = kInfinite;
    }
    return s;
  }

  static METAL_FUNC bool alive(State s) { return s.special == 0; }
  static METAL_FUNC Event no_event() { return 0; }
  static METAL_FUNC Event event(State s, int) { return s.special; }
  static METAL_FUNC Event carried(State) { return 0; }
  static METAL_FUNC bool happened(Event e) { return e != 0; }
  static METAL_FUNC Event shuffle_up(Event e, ushort delta) {
    return upsweep::shuffle_up(e, delta);
  }

  // A product that leaves the range goes on like one that has met a zero or an
  // infinity.
  static METAL_FUNC State resume(State s, Event e, Line<Value>, int) {
    s.special |= e;
    s.exponent = 0;
    return s;
  }

  // The quick way multiplies elements as they are. It is right as long as all
  // products on the way are far from what a float32 cannot hold: with a NaN
  // they end as one, with an infinite or a zero element they do not stay in
  // bounds.
  struct Quick {
    Wide product;
    float least;
    float most;
  };
  struct QuickState {
    Wide mantissa;
    float unit;  // of the mantissa
  };

  static METAL_FUNC Quick quick() { return {{1, 0}, 1, 1}; }
  static METAL_FUNC Quick quick_take(Quick q, Value x) {
    Wide product = times(q.product, x);
    float size = abs(product.hi);
    return {product, min(q.least, size), max(q.most, size)};
  }
  static METAL_FUNC bool quick_holds(Quick q) {
    return q.least >= power_of_two(-kQuickRange) &&
           q.most < power_of_two(kQuickRange) && q.product.hi == q.product.hi;
  }
  static METAL_FUNC Total quick_total(Quick q) {
    int exponent = exponent_of(q.product.hi);
    return {{scale(q.product, power_of_two(-exponent)), exponent, 0},
            exponent_of(q.least),
            exponent_of(q.most)};
  }

  static METAL_FUNC bool stays(State s) {
    return (s.special & kNaN) != 0 || s.special == (kZero | kInfinite);
  }
  // Results are normal numbers besides, or all zero or infinite with a sign.
  static METAL_FUNC bool quick_from(State s, Total own) {
    return s.special != 0 ||
           (magnitude(s) + own.low > -125 && magnitude(s) + own.high < 125);
  }
  static METAL_FUNC QuickState quick_state(State s) {
    int exponent = exponent_of(s.mantissa.hi);
    float unit = s.special != 0 ? as_type<float>(special_bits(s.special, 0))
                                : power_of_two(s.exponent + exponent);
    return {scale(s.mantissa, power_of_two(-exponent)), unit};
  }
  static METAL_FUNC QuickState quick_step(QuickState s, Value x) {
    return {times(s.mantissa, x), s.unit};
  }
  static METAL_FUNC Value quick_value(QuickState s) {
    float value = (s.mantissa.hi + s.mantissa.lo) * s.unit;
    return F::narrow(as_type<uint>(value));
  }

 private:
  static METAL_FUNC Wide times(Wide a, Value x) {
    float factor = as_type<float>(F::widen(x));
    Wide product = two_product(a.hi, factor);
    return {product.hi, fma(a.lo, factor, product.lo)};
  }

  static METAL_FUNC int magnitude(State s) {
    return s.exponent + exponent_of(s.mantissa.hi);
  }

  static METAL_FUNC State multiplied(State a, State b) {
    Wide mantissa = multiply(a.mantissa, b.mantissa);
    int excess = exponent_of(mantissa.hi);
    int exponent = a.exponent + b.exponent + excess;
    return {scale(mantissa, power_of_two(-excess)),
            clamp(exponent, -kFarExponent, kFarExponent),
            a.special | b.special};
  }
};

}  // namespace upsweep
