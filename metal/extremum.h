// Maximum and minimum: exact. NaN propagates, of equal elements the first one
// stays, and complex numbers are ordered by real, then by imaginary part.
//
// Elements are compared by integer keys, for comparisons of floats take
// subnormal numbers for zeros. An order O has
//
//   Value, Total             an element in memory and in registers
//   is_less(a, b), is_nan(x), nan()
//   least(), greatest()      what any other element replaces
//   to_total(x), to_value(t)
//   shuffle_up(t, delta)
#pragma once

namespace upsweep {

// Integers up to `top`, in the order of unsigned ones once the bits `turned`
// are turned over. What is beyond `top` counts as `top`.
template <class V, V turned, V top>
struct IntegerOrder {
  using Value = V;
  using Total = typename Accumulator<V>::Type;
  static METAL_FUNC bool is_less(Total a, Total b) { return a < b; }
  static METAL_FUNC bool is_nan(Total) { return false; }
  static METAL_FUNC Total nan() { return 0; }
  static METAL_FUNC Total least() { return 0; }
  static METAL_FUNC Total greatest() { return top; }
  static METAL_FUNC Total to_total(Value x) {
    return min(Total(Value(x ^ turned)), Total(top));
  }
  static METAL_FUNC Value to_value(Total t) { return Value(t) ^ turned; }
  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
};

template <class V>
using Unsigned = IntegerOrder<V, 0, V(~V(0))>;
template <class V>
using Signed = IntegerOrder<V, V(V(1) << (8 * sizeof(V) - 1)), V(~V(0))>;
// bool_, where any byte but 0 is true; results are 0 or 1.
using Truth = IntegerOrder<uchar, 0, 1>;

// The bits of a float32 as an integer of the same order; zeros are equal.
METAL_FUNC int ordered(uint bits) {
  int magnitude = int(bits & ~kSignBit);
  return (bits & kSignBit) != 0 ? -magnitude : magnitude;
}

METAL_FUNC bool is_nan_bits(uint bits) {
  return (bits & ~kSignBit) > kInfinityBits;
}

// A float as the bits of a float32. A float16 that is subnormal is normal
// there.
template <class F>
struct Real {
  using Value = typename F::Value;
  using Total = uint;
  static METAL_FUNC bool is_less(Total a, Total b) {
    return ordered(a) < ordered(b);
  }
  static METAL_FUNC bool is_nan(Total x) { return is_nan_bits(x); }
  static METAL_FUNC Total nan() { return kNaNBits; }
  static METAL_FUNC Total least() { return kSignBit | kInfinityBits; }
  static METAL_FUNC Total greatest() { return kInfinityBits; }
  static METAL_FUNC Total to_total(Value x) { return F::widen(x); }
  static METAL_FUNC Value to_value(Total t) { return F::narrow(t); }
  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
};

struct Complex {
  using Value = uint2;
  using Total = uint2;
  static METAL_FUNC bool is_less(Total a, Total b) {
    int a_re = ordered(a.x), b_re = ordered(b.x);
    return a_re < b_re || (a_re == b_re && ordered(a.y) < ordered(b.y));
  }
  static METAL_FUNC bool is_nan(Total x) {
    return is_nan_bits(x.x) || is_nan_bits(x.y);
  }
  static METAL_FUNC Total nan() { return uint2(kNaNBits, kNaNBits); }
  static METAL_FUNC Total least() {
    return uint2(kSignBit | kInfinityBits, kSignBit | kInfinityBits);
  }
  static METAL_FUNC Total greatest() {
    return uint2(kInfinityBits, kInfinityBits);
  }
  static METAL_FUNC Total to_total(Value x) { return x; }
  static METAL_FUNC Value to_value(Total t) { return t; }
  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
};

template <class O, bool maximum>
struct Extremum {
  using Value = typename O::Value;
  using Total = typename O::Total;
  using State = Total;
  static constant constexpr bool kExits = false;
  static constant constexpr bool kQuick = false;

  static METAL_FUNC Total none() {
    return maximum ? O::least() : O::greatest();
  }
  static METAL_FUNC Total join(Total a, Total b) {
    if (O::is_nan(a)) return a;
    if (O::is_nan(b)) return O::nan();
    bool replaces = maximum ? O::is_less(a, b) : O::is_less(b, a);
    return replaces ? b : a;
  }
  static METAL_FUNC Total take(Total t, Value x) {
    return join(t, O::to_total(x));
  }
  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return O::shuffle_up(t, delta);
  }
  static METAL_FUNC State start() { return none(); }
  static METAL_FUNC State after(State s, Total t) { return join(s, t); }
  static METAL_FUNC State step(State s, Value x) { return take(s, x); }
  static METAL_FUNC Value value(State s) { return O::to_value(s); }
};

template <class O>
using Maximum = Extremum<O, true>;
template <class O>
using Minimum = Extremum<O, false>;

}  // namespace upsweep
