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

template <class F>
struct Product {
  using Value = typename F::Value;
  static constant constexpr bool kExits = true;

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

 private:
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
