// Maximum and minimum: exact. NaN propagates, the first of equal elements is
// kept, and complex numbers are ordered by real, then by imaginary part.
//
// Elements are compared by integer keys, because comparisons of floats treat
// subnormal numbers as zeros. An order O has
//
//   Value, Aggregate             an element in memory and in registers
//   is_less(a, b), is_nan(x), nan()
//   least(), greatest()      what any other element replaces
//   to_total(x), to_value(t)
//   shuffle_up(t, delta)
#pragma once

namespace upsweep {

// Integers up to `top`, which compare as unsigned once the bits `flip` are
// flipped. Larger ones count as `top`.
template <class V, V flip, V top>
struct IntegerOrder {
  using Value = V;
  using Aggregate = typename Accumulator<V>::Type;
  static METAL_FUNC bool is_less(Aggregate a, Aggregate b) { return a < b; }
  static METAL_FUNC bool is_nan(Aggregate) { return false; }
  static METAL_FUNC Aggregate nan() { return 0; }
  static METAL_FUNC Aggregate least() { return 0; }
  static METAL_FUNC Aggregate greatest() { return top; }
  static METAL_FUNC Aggregate to_total(Value x) {
    return min(Aggregate(Value(x ^ flip)), Aggregate(top));
  }
  static METAL_FUNC Value to_value(Aggregate t) { return Value(t) ^ flip; }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
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
METAL_FUNC int order_key(uint bits) {
  int magnitude = int(bits & ~kSignBit);
  return (bits & kSignBit) != 0 ? -magnitude : magnitude;
}

METAL_FUNC bool is_nan_bits(uint bits) {
  return (bits & ~kSignBit) > kInfinityBits;
}

// A float as the bits of a float32. A subnormal float16 is normal there.
template <class F>
struct Real {
  using Value = typename F::Value;
  using Aggregate = uint;
  static METAL_FUNC bool is_less(Aggregate a, Aggregate b) {
    return order_key(a) < order_key(b);
  }
  static METAL_FUNC bool is_nan(Aggregate x) { return is_nan_bits(x); }
  static METAL_FUNC Aggregate nan() { return kNaNBits; }
  static METAL_FUNC Aggregate least() { return kSignBit | kInfinityBits; }
  static METAL_FUNC Aggregate greatest() { return kInfinityBits; }
  static METAL_FUNC Aggregate to_total(Value x) { return F::widen(x); }
  static METAL_FUNC Value to_value(Aggregate t) { return F::narrow(t); }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
};

struct Complex {
  using Value = uint2;
  using Aggregate = uint2;
  static METAL_FUNC bool is_less(Aggregate a, Aggregate b) {
    int a_re = order_key(a.x), b_re = order_key(b.x);
    return a_re < b_re || (a_re == b_re && order_key(a.y) < order_key(b.y));
  }
  static METAL_FUNC bool is_nan(Aggregate x) {
    return is_nan_bits(x.x) || is_nan_bits(x.y);
  }
  static METAL_FUNC Aggregate nan() { return uint2(kNaNBits, kNaNBits); }
  static METAL_FUNC Aggregate least() {
    return uint2(kSignBit | kInfinityBits, kSignBit | kInfinityBits);
  }
  static METAL_FUNC Aggregate greatest() {
    return uint2(kInfinityBits, kInfinityBits);
  }
  static METAL_FUNC Aggregate to_total(Value x) { return x; }
  static METAL_FUNC Value to_value(Aggregate t) { return t; }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
};

template <class O, bool maximum>
struct Extremum {
  using Value = typename O::Value;
  using Aggregate = typename O::Aggregate;
  using Prefix = Aggregate;
  static constant constexpr bool kCanExitRange = false;
  static constant constexpr bool kHasFastPath = false;
  static constant constexpr bool kHasCarryNumbers = false;

  static METAL_FUNC Aggregate identity() {
    return maximum ? O::least() : O::greatest();
  }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    if (O::is_nan(a)) return a;
    if (O::is_nan(b)) return O::nan();
    bool replaces = maximum ? O::is_less(a, b) : O::is_less(b, a);
    return replaces ? b : a;
  }
  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    return combine(t, O::to_total(x));
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return O::shuffle_up(t, delta);
  }
  static METAL_FUNC Prefix initial() { return identity(); }
  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    return combine(s, t);
  }
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return accumulate(s, x);
  }
  static METAL_FUNC Value value(Prefix s) { return O::to_value(s); }
};

template <class O>
using Maximum = Extremum<O, true>;
template <class O>
using Minimum = Extremum<O, false>;

}  // namespace upsweep
