// Derivatives of products, as recurrences of their sums (Recurrence). With x
// the elements of a line and c its terms, a cotangent or a tangent:
//
//   Vjp  walks against the product, with h <- x · (c + h); for the exclusive
//        product, x · h + c. A result is the product of the elements that come
//        later on this walk, times c + h; or times h.
//   Jvp  walks with the product, with h <- x · h + c · (product before x). A
//        result is the h after x, or before it.
//
// A block of a thread's items is computed by plain numbers where that is right,
// which the block tells, and else element by element: the first `count`; plain
// numbers may go on, because the others are 1 and 0.
#pragma once

namespace upsweep {

// What both share.
template <class F>
struct GradientSums {
  using Value = typename F::Value;
  using M = Recurrence<F>;
  using Map = typename M::Aggregate;
  using State = typename M::Prefix;
  using Product = FactorProduct::Aggregate;
  using Block = ItemBlock<Value>;

  static METAL_FUNC float as_float(Value x) {
    return as_type<float>(F::widen(x));
  }
  static METAL_FUNC Number number(Value x) { return split(F::widen(x)); }
  static METAL_FUNC Value one() { return F::narrow(kOneBits); }

  // a · 2^exponent, rounded once.
  static METAL_FUNC Value rounded(Wide a, int exponent) {
    // A short format is rounded a second time.
    if (sizeof(Value) == 2)
      return F::narrow(join_bits(round_to_odd(a), exponent));
    return F::narrow(join_bits(a, exponent));
  }

  // The same for a sum within the range of plain numbers, without a branch. A
  // result in the subnormal range is in doubt.
  static METAL_FUNC Value rounded(Wide a, int exponent, thread bool& in_doubt) {
    float whole = sizeof(Value) == 2 ? round_to_odd(a) : a.hi;
    uint bits = as_type<uint>(whole);
    uint sign = bits & kSignBit;
    int field = int((bits >> 23) & 255) + exponent;
    bool is_zero = bits == sign || field < -23;
    in_doubt = in_doubt || (!is_zero && field <= 0);
    uint result = bits + (uint(exponent) << 23);
    result = field >= 255 ? sign | kInfinityBits : result;
    return F::rounded(is_zero ? sign : result);
  }

  static METAL_FUNC Product product(Block x, uint count) {
    PlainProduct p = PlainProduct::start({1, 0});
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      p = PlainProduct::advance(p, as_float(x.item[i]));
      if (i % kFactorsApart == kFactorsApart - 1)
        p = PlainProduct::normalize(p);
    }
    if (PlainProduct::is_valid(p)) return PlainProduct::total(p, 0);
    return exact_product(x, count);
  }
  // What a map multiplies by, if nothing in it is infinite or NaN.
  static METAL_FUNC Product product(Map t, Block x, uint count) {
    if (t.table != M::kPlain) return exact_product(x, count);
    if (t.a.exponent == kNoExponent) return {{1, 0}, 0, kZero};
    return {t.a.mantissa, t.a.exponent, 0};
  }

 private:
  static METAL_FUNC Product exact_product(Block x, uint count) {
    Product total = FactorProduct::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      total = FactorProduct::accumulate(total, number(x.item[i]));
    }
    return total;
  }
};

template <class F>
struct Vjp {
  using Format = F;
  using Value = typename F::Value;
  using Sums = GradientSums<F>;
  using M = Recurrence<F>;
  using Map = typename Sums::Map;
  using State = typename Sums::State;
  using Product = typename Sums::Product;
  using Block = typename Sums::Block;
  static constant constexpr bool kIsAgainstProduct = true;

  // What a block makes of the h before it.
  static METAL_FUNC Map map(Block x, Block c, uint count, Product,
                            bool inclusive) {
    typename M::FastAggregate q = M::fast_identity();
    Value factor = Sums::one();  // of the element before
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      q = M::fast_accumulate(q, inclusive ? factor : x.item[i], c.item[i]);
      factor = x.item[i];
      if (i % kPairsApart == kPairsApart - 1) q = M::fast_normalize(q);
    }
    if (inclusive) {
      q = M::fast_normalize(M::fast_accumulate(q, factor, Value(0)));
    }
    if (M::fast_is_valid(q)) return M::fast_aggregate(q, false);
    Map total = M::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      if (inclusive) {
        total = M::combine(total, added(c.item[i]));
        total = M::combine(total, M::element(x.item[i], Value(0), false));
      } else {
        total = M::combine(total, M::element(x.item[i], c.item[i], false));
      }
    }
    return total;
  }

  // The results of a block, and h after it. `later` is the product of the
  // elements after the block.
  static METAL_FUNC Block scan(Block x, Block c, uint count, thread State& h,
                               Product later, bool inclusive) {
    Block results;
    State after = h;
    if (scan_plainly(x, c, after, later, inclusive, results)) {
      h = after;
      return results;
    }
    Product products[Block::kItems];
    UPSWEEP_ROLL
    for (uint i = count; i-- > 0;) {
      products[i] = later;
      later = FactorProduct::accumulate(later, Sums::number(x.item[i]));
    }
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      if (inclusive) {
        h = M::apply(h, added(c.item[i]));
        results.item[i] = value(products[i], h);
        h = M::apply(h, M::element(x.item[i], Value(0), false));
      } else {
        results.item[i] = value(products[i], h);
        h = M::apply(h, M::element(x.item[i], c.item[i], false));
      }
    }
    return results;
  }

 private:
  // h + c as a map.
  static METAL_FUNC Map added(Value c) {
    return M::element(Sums::one(), c, false);
  }

  static METAL_FUNC bool scan_plainly(Block x, Block c, thread State& h,
                                      Product later, bool inclusive,
                                      thread Block& results) {
    if (!M::fast_applies(h) || !FactorProduct::is_finite(later)) return false;
    Wide products[Block::kItems];
    PlainProduct p = PlainProduct::start(FactorProduct::mantissa(later));
    UPSWEEP_UNROLL
    for (uint i = Block::kItems; i-- > 0;) {
      products[i] = p.value;
      p = PlainProduct::advance(p, Sums::as_float(x.item[i]));
      if (i % kFactorsApart == 0) p = PlainProduct::normalize(p);
    }
    typename M::FastPrefix q = M::fast_prefix(h);
    bool in_doubt = false;
    Value factor = Sums::one();
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      Wide before = q.h;
      q = M::fast_advance(q, inclusive ? factor : x.item[i], c.item[i]);
      factor = x.item[i];
      // Below 1, so that the result does not overflow: a later element may
      // bring a sum of up to 2^128 back.
      int excess = exponent_of(products[i].hi) + 1;
      Wide product = scale(products[i], power_of_two(-excess));
      Wide sum = inclusive ? q.h : before;
      results.item[i] =
          Sums::rounded(multiply(product, two_sum(sum.hi, sum.lo)),
                        later.exponent + excess, in_doubt);
      if (i % kPairsApart == kPairsApart - 1) q = M::fast_normalize(q);
    }
    if (inclusive) q = M::fast_normalize(M::fast_advance(q, factor, Value(0)));
    h = M::exact_prefix(q);
    return !in_doubt && PlainProduct::is_valid(p) && M::fast_is_valid(q);
  }

  static METAL_FUNC Value value(Product p, State h) {
    if (p.special == 0 && h.kind == 0) {
      return Sums::rounded(multiply(p.mantissa, h.h.mantissa),
                           p.exponent + h.h.exponent);
    }
    float sum = h.kind == 0 ? h.h.mantissa.hi : float_of_kind(h.kind);
    float result = FactorProduct::kind(p) * sum;
    // Arithmetic makes NaNs with other bits.
    uint kind = kind_of(result);
    if (kind != 0) result = float_of_kind(kind);
    return F::narrow(as_type<uint>(result));
  }
};

template <class F>
struct Jvp {
  using Format = F;
  using Value = typename F::Value;
  using Sums = GradientSums<F>;
  using M = Recurrence<F>;
  using Map = typename Sums::Map;
  using State = typename Sums::State;
  using Product = typename Sums::Product;
  using Block = typename Sums::Block;
  static constant constexpr bool kIsAgainstProduct = false;

  // What a block makes of the h before it; `earlier` is the product of the
  // elements before it.
  static METAL_FUNC Map map(Block x, Block c, uint count, Product earlier,
                            bool) {
    Plain q = Plain::start({1, 0}, {{0, 0}, 0, ~0u});
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      q = Plain::advance(q, Sums::as_float(x.item[i]),
                         Sums::as_float(c.item[i]));
      if (i % kPairsApart == kPairsApart - 1) q = Plain::normalize(q);
    }
    if (Plain::is_valid(q) && FactorProduct::is_finite(earlier)) {
      WideNumber sum = wide_number(q.h.h, 0);
      WideNumber factor =
          wide_number(FactorProduct::mantissa(earlier), earlier.exponent);
      return {wide_number(q.product.value, 0), multiply(factor, sum),
              M::kPlain};
    }
    Map total = M::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      total = M::combine(total, element(x.item[i], c.item[i], earlier));
      earlier = FactorProduct::accumulate(earlier, Sums::number(x.item[i]));
    }
    return total;
  }

  // The results of a block, and what h and the product are after it.
  static METAL_FUNC Block scan(Block x, Block c, uint count, thread State& h,
                               thread Product& earlier, bool inclusive) {
    Block results;
    State after = h;
    Product product = earlier;
    if (scan_plainly(x, c, after, product, inclusive, results)) {
      h = after;
      earlier = product;
      return results;
    }
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      State next = M::apply(h, element(x.item[i], c.item[i], earlier));
      results.item[i] = value(inclusive ? next : h);
      h = next;
      earlier = FactorProduct::accumulate(earlier, Sums::number(x.item[i]));
    }
    return results;
  }

 private:
  // The product and h as they are.
  struct Plain {
    PlainProduct product;
    typename M::FastPrefix h;
    uint least_term;

    static METAL_FUNC Plain start(Wide product, typename M::FastPrefix h) {
      return {PlainProduct::start(product), h, ~0u};
    }
    static METAL_FUNC Plain advance(Plain q, float x, float c) {
      Wide term = PlainProduct::times(q.product, c);
      return {PlainProduct::advance(q.product, x),
              M::fast_advance(q.h, x, term),
              min(q.least_term, PlainProduct::mark(c))};
    }
    static METAL_FUNC Plain normalize(Plain q) {
      return {PlainProduct::normalize(q.product), M::fast_normalize(q.h),
              q.least_term};
    }
    // No term gets to 0 unseen.
    static METAL_FUNC bool is_valid(Plain q) {
      uint least = PlainProduct::mark(power_of_two(PlainProduct::kLeastFactor));
      return q.least_term >= least && PlainProduct::is_valid(q.product) &&
             M::fast_is_valid(q.h);
    }
  };

  // Both have an exponent in common, that of the product if it is not 0.
  static METAL_FUNC bool scan_plainly(Block x, Block c, thread State& h,
                                      thread Product& earlier, bool inclusive,
                                      thread Block& results) {
    if (!FactorProduct::is_finite(earlier)) return false;
    bool is_zero = h.h.exponent == kNoExponent;
    int exponent = earlier.special == 0 ? earlier.exponent
                   : is_zero            ? 0
                                        : h.h.exponent;
    if (!is_zero) h.h.exponent -= exponent;
    if (!M::fast_applies(h)) return false;
    Plain q = Plain::start(FactorProduct::mantissa(earlier), M::fast_prefix(h));
    bool in_doubt = false;
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      Wide before = q.h.h;
      q = Plain::advance(q, Sums::as_float(x.item[i]),
                         Sums::as_float(c.item[i]));
      Wide result = inclusive ? q.h.h : before;
      results.item[i] =
          Sums::rounded(two_sum(result.hi, result.lo), exponent, in_doubt);
      if (i % kPairsApart == kPairsApart - 1) q = Plain::normalize(q);
    }
    earlier = PlainProduct::total(q.product, exponent);
    h = {wide_number(q.h.h, exponent), 0};
    return !in_doubt && Plain::is_valid(q);
  }

  static METAL_FUNC Value value(State h) {
    if (h.kind != 0) return M::value(h);
    return Sums::rounded(h.h.mantissa, h.h.exponent);
  }

  // x · h + c · earlier as a map.
  static METAL_FUNC Map element(Value x, Value c, Product earlier) {
    Number factor = Sums::number(x), term = Sums::number(c);
    if (term.special == 0 && earlier.special == 0) {
      return M::element(x, factor,
                        wide_number(multiply(earlier.mantissa, term.mantissa),
                                    earlier.exponent + term.exponent),
                        0);
    }
    float kind = term.special == 0 ? term.mantissa : Sums::as_float(c);
    return M::element(x, factor, {{0, 0}, kNoExponent},
                      kind * FactorProduct::kind(earlier));
  }
};

}  // namespace upsweep
