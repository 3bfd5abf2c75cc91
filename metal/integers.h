// Sums and products of integers, which wrap modulo 2^k; signed or not, the bits
// are the same. Narrow ones are kept in 32 bits.
#pragma once

namespace upsweep {

template <class V>
struct Accumulator {
  using Type = uint;
};
template <>
struct Accumulator<ulong> {
  using Type = ulong;
};

template <class V, bool product>
struct Integers {
  using Value = V;
  using Aggregate = typename Accumulator<V>::Type;
  using Prefix = Aggregate;
  static constant constexpr bool kCanExitRange = false;
  static constant constexpr bool kHasFastPath = false;
  static constant constexpr bool kHasCarryNumbers = false;

  static METAL_FUNC Aggregate identity() { return product ? 1 : 0; }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    return product ? a * b : a + b;
  }
  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    return combine(t, Aggregate(x));
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
  static METAL_FUNC Prefix initial() { return identity(); }
  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    return combine(s, t);
  }
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return accumulate(s, x);
  }
  static METAL_FUNC Value value(Prefix s) { return Value(s); }
};

template <class V>
using IntegerProduct = Integers<V, true>;
template <class V>
using IntegerSum = Integers<V, false>;

}  // namespace upsweep
