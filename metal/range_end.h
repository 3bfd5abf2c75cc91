// Products near an end of the range of a dtype, where results may be subnormal
// numbers of a float32, round to zero or overflow. A thread whose factors suit
// the fast path takes this one there: slower, but several times as fast as the
// exact path.
#pragma once

namespace upsweep {

template <class F>
struct RangeEnd<Product<F>> {
  using M = Product<F>;
  using Value = typename F::Value;
  static constant constexpr bool kIsKnown = true;

  // The first result that leaves the range, if none did before.
  template <class RangeExit>
  static METAL_FUNC RangeExit first_exit(ThreadItems<M> items,
                                         typename M::Prefix state) {
    SharedView<M> here = SharedView<M>::of(items);
    Running q = Running::from(state);
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count && q.exit == 0; begin += kItems) {
      RegisterTile<M, kStrided> s = L::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) advance(q, s.item[i]);
    }
    return q.exit;
  }

  static METAL_FUNC void scan(ThreadItems<M> items, typename M::Prefix state,
                              bool inclusive) {
    SharedView<M> here = SharedView<M>::of(items);
    Value before = M::value(state);
    Running q = Running::from(state);
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += kItems) {
      RegisterTile<M, kStrided> s = L::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) {
        Value after = advance(q, s.item[i]);
        s.item[i] = inclusive ? after : before;
        before = after;
      }
      L::write(here, begin, s);
    }
  }

 private:
  using L = AccessPattern<M, kStrided>;
  static constant constexpr uint kItems = RegisterTile<M, kStrided>::kItems;

  // Whether the format has results that are no normal float32.
  static constant constexpr bool kIsWide = F::kLowest < -126;
  // Exponents of units, which bring a thread's products well within the range
  // of a float32: the fast path bounds how far they are from each other.
  static constant constexpr int kLowUnit = -100;
  static constant constexpr int kHighUnit = 96;

  // A product is product · unit. An exit makes the unit zero or infinite.
  struct Running {
    Wide product;
    float unit;
    bool is_low;
    uint exit;

    static METAL_FUNC Running from(typename M::Prefix s) {
      int exponent = s.exponent + exponent_of(s.mantissa.hi);
      bool is_low = kIsWide && exponent < 0;
      int unit = is_low ? int(kLowUnit) : kIsWide ? int(kHighUnit) : 0;
      // What is further away has left the range before.
      int of_mantissa = clamp(exponent - unit, -kFastRange, kFastRange);
      float factor = power_of_two(of_mantissa - exponent_of(s.mantissa.hi));
      return {scale(s.mantissa, factor), power_of_two(unit), is_low, 0};
    }
  };

  static METAL_FUNC float infinity() {
    return as_type<float>(uint(kInfinityBits));
  }

  // Multiplies by x and returns the result. Without branches, because one
  // thread's exit may keep all later tiles waiting.
  static METAL_FUNC Value advance(thread Running& q, Value x) {
    Wide p = M::times(q.product, x);
    p = fast_two_sum(p.hi, p.lo);
    float plain = abs(p.hi * q.unit);
    bool is_subnormal = q.is_low && abs(p.hi) < power_of_two(-126 - kLowUnit);
    uint bits = is_subnormal ? subnormal_bits(p) : as_type<uint>(plain);
    Value result = F::rounded((as_type<uint>(p.hi) & kSignBit) | bits);
    uint magnitude = result & F::kMagnitude;
    q.product = p;
    if (magnitude == 0) q = {p, 0, false, kZero};
    if (magnitude == F::kInfinity) q = {p, infinity(), false, kInfinite};
    return result;
  }

  // The magnitude of p · 2^kLowUnit as a float32: a count of 2^-149, rounded to
  // nearest, ties to even.
  static METAL_FUNC uint subnormal_bits(Wide p) {
    float size = abs(p.hi), low = p.hi < 0 ? -p.lo : p.lo;
    // The last bit of a sum with `one_up` is such a count.
    float one_up = power_of_two(-126 - kLowUnit);
    float half_way = power_of_two(-150 - kLowUnit);
    float sum = one_up + size;
    float rest = size - (sum - one_up);
    uint count = as_type<uint>(sum) - as_type<uint>(one_up);
    if (rest == half_way && low > 0) ++count;
    if (rest == -half_way && low < 0) --count;
    return count;
  }
};

}  // namespace upsweep
