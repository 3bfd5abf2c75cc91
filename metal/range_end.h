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
    if (items.count == 0) return 0;
    SharedView<M> here = SharedView<M>::of(items);
    Running q = Running::from(state);
    SizeRange sizes = here.pattern == kForward
                          ? size_range<kForward>(here, q.product)
                          : size_range<kStrided>(here, q.product);
    // A low word of 1 or -1 stands for any of its sign.
    uint most = exit_of(result(q, {sizes.most, 1}));
    uint least = exit_of(result(q, {sizes.least, 1}));
    bool is_sure = least == exit_of(result(q, {sizes.least, -1}));
    if (is_sure && (most == 0 || least == 0 || most == least)) {
      return most | least;
    }
    // At a tie, or if a thread's products get to both ends of a short range.
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count && q.exit == 0; ++i) {
      advance(q, get(items.line, items.position + i));
    }
    return q.exit;
  }

  static METAL_FUNC void scan(ThreadItems<M> items, typename M::Prefix state,
                              bool inclusive) {
    SharedView<M> here = SharedView<M>::of(items);
    Running q = Running::from(state);
    Value before = result(q, q.product);
    if (here.pattern == kForward) {
      scan_as<kForward>(here, q, before, inclusive);
    } else {
      scan_as<kStrided>(here, q, before, inclusive);
    }
  }

 private:
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
      Wide product = fast_two_sum(s.mantissa.hi, s.mantissa.lo);
      return {scale(product, factor), power_of_two(unit), is_low, 0};
    }
  };

  // The sizes of all products on the way from one.
  struct SizeRange {
    float least;
    float most;
  };

  template <uint pattern>
  static METAL_FUNC SizeRange size_range(SharedView<M> here, Wide product) {
    using Tile = RegisterTile<M, pattern>;
    SizeRange sizes = {as_type<float>(uint(kInfinityBits)), 0};
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += Tile::kItems) {
      Tile s = AccessPattern<M, pattern>::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < Tile::kItems; ++i) {
        product = times(product, s.item[i]);
        float size = abs(product.hi);
        sizes = {min(sizes.least, size), max(sizes.most, size)};
      }
    }
    return sizes;
  }

  template <uint pattern>
  static METAL_FUNC void scan_as(SharedView<M> here, Running q, Value before,
                                 bool inclusive) {
    using Tile = RegisterTile<M, pattern>;
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += Tile::kItems) {
      Tile s = AccessPattern<M, pattern>::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < Tile::kItems; ++i) {
        Value after = advance(q, s.item[i]);
        s.item[i] = inclusive ? after : before;
        before = after;
      }
      AccessPattern<M, pattern>::write(here, begin, s);
    }
  }

  static METAL_FUNC Wide times(Wide a, Value x) {
    Wide product = M::times(a, x);
    return fast_two_sum(product.hi, product.lo);
  }

  // Multiplies by x and returns the result.
  static METAL_FUNC Value advance(thread Running& q, Value x) {
    q.product = times(q.product, x);
    Value after = result(q, q.product);
    uint exit = exit_of(after);
    if (exit == kZero) q = {q.product, 0, false, exit};
    if (exit == kInfinite) {
      q = {q.product, as_type<float>(uint(kInfinityBits)), false, exit};
    }
    return after;
  }

  // p as the result that it is in q.
  static METAL_FUNC Value result(Running q, Wide p) {
    bool is_subnormal = q.is_low && abs(p.hi) < power_of_two(-126 - kLowUnit);
    uint bits =
        is_subnormal ? subnormal_bits(p) : as_type<uint>(abs(p.hi * q.unit));
    return F::rounded((as_type<uint>(p.hi) & kSignBit) | bits);
  }
  static METAL_FUNC uint exit_of(Value result) {
    uint magnitude = result & F::kMagnitude;
    if (magnitude == F::kInfinity) return kInfinite;
    return magnitude == 0 ? uint(kZero) : 0;
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
