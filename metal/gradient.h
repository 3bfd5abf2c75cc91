// Derivatives of products, as recurrences of their sums (Recurrence). With x
// the elements of a line and c its terms, a cotangent or a tangent:
//
//   Vjp  walks against the product, with h <- x · (c + h); for the exclusive
//        product, x · h + c. A result is the product of the elements that come
//        later on this walk, times c + h; or times h.
//   Jvp  walks with the product, with h <- x · h + c · (product before x). A
//        result is the h after x, or before it.
//
// Blocks of a thread's items are computed by plain numbers where that is right,
// which is known afterwards, and else element by element: the first `count`;
// plain numbers may go on, because the others are 1 and 0.
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
  static METAL_FUNC Product exact_product(Block x, uint count) {
    Product total = FactorProduct::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      total = FactorProduct::accumulate(total, number(x.item[i]));
    }
    return total;
  }
};

// Rounds sums of plain numbers, of which results are multiples by a power of
// two, without a branch.
template <class F>
struct PlainRounding {
  using Value = typename F::Value;
  // A sum of magnitudes from here on makes what is lost in the subnormal range
  // small beside the error of a step.
  static constant constexpr int kLeastSum = -78;
  // All numbers round to 0 if they are multiplied by less.
  static constant constexpr int kLeastExponent = -280;

  float first;  // the power of two is the product of both
  float then;

  static METAL_FUNC PlainRounding of(int exponent) {
    if (exponent < kLeastExponent) return {0, 0};
    int within = clamp(exponent, -252, 252);
    return {power_of_two(within / 2), power_of_two(within - within / 2)};
  }
  // Whether it is right for sums of at least 2^least of magnitudes.
  static METAL_FUNC bool is_valid(int exponent, int least) {
    int lowered = exponent < kLeastExponent ? 0 : min(exponent, 0);
    return least + lowered >= kLeastSum;
  }
  // As a float, to which multiples in a format are to be rounded.
  static METAL_FUNC float whole(Wide a) {
    return sizeof(Value) == 2 ? round_to_odd(a) : a.hi;
  }
  static METAL_FUNC Value rounded(PlainRounding here, float whole) {
    return F::rounded(as_type<uint>(whole * here.first * here.then));
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

  // What items make of the h before them, block after block, in plain numbers.
  struct Run {
    typename M::FastPrefix sum;
    Value factor;  // the last one
    bool is_valid;
  };
  static METAL_FUNC Run start() { return {M::fast_zero(), Sums::one(), true}; }
  // `own` becomes the product of the block.
  static METAL_FUNC Run advance(Run run, Block x, Block c, bool inclusive,
                                thread Product& own) {
    typename M::FastFactor product = M::fast_one();
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      product = M::fast_multiply(product, x.item[i]);
      run.sum = M::fast_advance(run.sum, inclusive ? run.factor : x.item[i],
                                c.item[i]);
      run.factor = x.item[i];
      if (i % kPairsApart == kPairsApart - 1) {
        product = M::fast_normalize(product);
        run.sum = M::fast_normalize(run.sum);
      }
    }
    run.is_valid = run.is_valid && M::fast_is_valid(product);
    WideNumber number = wide_number(product.a, product.exponent);
    own = {number.mantissa, number.exponent, 0};
    if (number.exponent == kNoExponent) own = {{1, 0}, 0, kZero};
    return run;
  }
  static METAL_FUNC Run end(Run run, bool inclusive) {
    if (inclusive) {
      run.sum =
          M::fast_normalize(M::fast_advance(run.sum, run.factor, Value(0)));
    }
    run.is_valid = run.is_valid && M::fast_is_valid(run.sum);
    return run;
  }
  // `product` is that of all blocks.
  static METAL_FUNC Map total(Run run, Product product) {
    WideNumber factor = {product.mantissa, product.exponent};
    if (product.special != 0) factor = {{0, 0}, kNoExponent};
    return {factor, wide_number(run.sum.h, 0), M::kPlain};
  }

  // What a block makes of the h before it.
  static METAL_FUNC Map map(Block x, Block c, uint count, bool inclusive) {
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
  // elements after the block. `is_plain` says whether a Run was right for it.
  static METAL_FUNC Block scan(Block x, Block c, uint count, thread State& h,
                               Product later, bool inclusive, bool is_plain) {
    Block results;
    State after = h;
    if (is_plain && scan_plainly(x, c, after, later, inclusive, results)) {
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
    using Rounding = PlainRounding<F>;
    Rounding rounding = Rounding::of(later.exponent);
    typename M::FastPrefix q = M::fast_prefix(h);
    float any_infinite = 0;  // or NaN
    Value factor = Sums::one();
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      Wide before = q.h;
      q = M::fast_advance(q, inclusive ? factor : x.item[i], c.item[i]);
      factor = x.item[i];
      float whole =
          Rounding::whole(multiply(products[i], inclusive ? q.h : before));
      any_infinite = fma(whole, 0.0f, any_infinite);
      results.item[i] = Rounding::rounded(rounding, whole);
      if (i % kPairsApart == kPairsApart - 1) q = M::fast_normalize(q);
    }
    if (inclusive) q = M::fast_normalize(M::fast_advance(q, factor, Value(0)));
    h = M::exact_prefix(q);
    int least = PlainProduct::least_exponent(p) + M::fast_least_exponent(q);
    return any_infinite == 0 && M::fast_is_valid(q) &&
           PlainProduct::is_large_enough(p) &&
           Rounding::is_valid(later.exponent, least);
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
  static METAL_FUNC Map map(Block x, Block c, uint count, Product earlier) {
    Plain q = Plain::start({1, 0}, M::fast_zero());
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
                               thread Product& earlier, bool inclusive, bool) {
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
    using Rounding = PlainRounding<F>;
    Rounding rounding = Rounding::of(exponent);
    Plain q = Plain::start(FactorProduct::mantissa(earlier), M::fast_prefix(h));
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      Wide before = q.h.h;
      q = Plain::advance(q, Sums::as_float(x.item[i]),
                         Sums::as_float(c.item[i]));
      Wide result = inclusive ? q.h.h : before;
      results.item[i] = Rounding::rounded(
          rounding, Rounding::whole(two_sum(result.hi, result.lo)));
      if (i % kPairsApart == kPairsApart - 1) q = Plain::normalize(q);
    }
    earlier = PlainProduct::total(q.product, exponent);
    h = {wide_number(q.h.h, exponent), 0};
    return Plain::is_valid(q) &&
           Rounding::is_valid(exponent, M::fast_least_exponent(q.h));
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
