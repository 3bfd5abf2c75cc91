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
  using Total = typename Accumulator<V>::Type;
  using State = Total;
  static constant constexpr bool kExits = false;
  static constant constexpr bool kQuick = false;

  static METAL_FUNC Total none() { return product ? 1 : 0; }
  static METAL_FUNC Total join(Total a, Total b) {
    return product ? a * b : a + b;
  }
  static METAL_FUNC Total take(Total t, Value x) { return join(t, Total(x)); }
  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return upsweep::shuffle_up(t, delta);
  }
  static METAL_FUNC State start() { return none(); }
  static METAL_FUNC State after(State s, Total t) { return join(s, t); }
  static METAL_FUNC State step(State s, Value x) { return take(s, x); }
  static METAL_FUNC Value value(State s) { return Value(s); }
};

template <class V>
using IntegerProduct = Integers<V, true>;
template <class V>
using IntegerSum = Integers<V, false>;

}  // namespace upsweep
