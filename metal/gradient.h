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
// which is known afterwards; they may go on beyond the last item, with 1 and 0.
// Else the items are read again, one by one: an array with an index that the
// compiler does not know would keep a block out of registers on both paths.
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
  using Blocks = ItemBlocks<Value>;

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

  // Of the block from the item `begin` on.
  static METAL_FUNC Product product(Blocks xs, uint begin) {
    Block x = Blocks::read(xs, begin, one());
    PlainProduct p = PlainProduct::start({1, 0});
    UPSWEEP_UNROLL
    for (uint i = 0; i < Block::kItems; ++i) {
      p = PlainProduct::advance(p, as_float(x.item[i]));
      if (i % kFactorsApart == kFactorsApart - 1)
        p = PlainProduct::normalize(p);
    }
    if (PlainProduct::is_valid(p)) return PlainProduct::total(p, 0);
    return exact_product(xs, begin);
  }
  static METAL_FUNC Product exact_product(Blocks xs, uint begin) {
    Product total = FactorProduct::identity();
    uint end = begin + Blocks::size(xs, begin);
    UPSWEEP_ROLL
    for (uint i = begin; i < end; ++i) {
      total = FactorProduct::accumulate(total, number(Blocks::item(xs, i)));
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
  using Blocks = typename Sums::Blocks;
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

  // What the block from the item `begin` on makes of the h before it.
  static METAL_FUNC Map map(Blocks xs, Blocks cs, uint begin, bool inclusive) {
    Map total = M::identity();
    uint end = begin + Blocks::size(xs, begin);
    UPSWEEP_ROLL
    for (uint i = begin; i < end; ++i) {
      Value x = Blocks::item(xs, i), c = Blocks::item(cs, i);
      if (inclusive) {
        total = M::combine(total, added(c));
        total = M::combine(total, M::element(x, Value(0), false));
      } else {
        total = M::combine(total, M::element(x, c, false));
      }
    }
    return total;
  }

  // Results replace the block of xs from the item `begin` on; h becomes that
  // after it. `later` is the product of the elements after the block.
  // `is_plain` says whether a Run was right for it.
  static METAL_FUNC void scan(Blocks xs, Blocks cs, uint begin, thread State& h,
                              Product later, bool inclusive, bool is_plain) {
    Block results;
    State after = h;
    if (is_plain && scan_plainly(Blocks::read(xs, begin, Sums::one()),
                                 Blocks::read(cs, begin, Value(0)), after,
                                 later, inclusive, results)) {
      h = after;
      Blocks::write(xs, begin, results);
      return;
    }
    uint count = Blocks::size(xs, begin);
    Product products[Block::kItems];
    UPSWEEP_ROLL
    for (uint i = count; i-- > 0;) {
      products[i] = later;
      later = FactorProduct::accumulate(
          later, Sums::number(Blocks::item(xs, begin + i)));
    }
    UPSWEEP_ROLL
    for (uint i = 0; i < count; ++i) {
      Value x = Blocks::item(xs, begin + i), c = Blocks::item(cs, begin + i);
      if (inclusive) h = M::apply(h, added(c));
      Blocks::put(xs, begin + i, value(products[i], h));
      h = M::apply(h, M::element(x, inclusive ? Value(0) : c, false));
    }
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
  using Blocks = typename Sums::Blocks;
  static constant constexpr bool kIsAgainstProduct = false;

  // What the block from the item `begin` on makes of the h before it; `earlier`
  // is the product of the elements before it.
  static METAL_FUNC Map map(Blocks xs, Blocks cs, uint begin, Product earlier) {
    Block x = Blocks::read(xs, begin, Sums::one());
    Block c = Blocks::read(cs, begin, Value(0));
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
    uint end = begin + Blocks::size(xs, begin);
    UPSWEEP_ROLL
    for (uint i = begin; i < end; ++i) {
      Value factor = Blocks::item(xs, i);
      total = M::combine(total, element(factor, Blocks::item(cs, i), earlier));
      earlier = FactorProduct::accumulate(earlier, Sums::number(factor));
    }
    return total;
  }

  // Results replace the block of xs from the item `begin` on; h and the product
  // become those after it.
  static METAL_FUNC void scan(Blocks xs, Blocks cs, uint begin, thread State& h,
                              thread Product& earlier, bool inclusive, bool) {
    Block results;
    State after = h;
    Product product = earlier;
    if (scan_plainly(Blocks::read(xs, begin, Sums::one()),
                     Blocks::read(cs, begin, Value(0)), after, product,
                     inclusive, results)) {
      h = after;
      earlier = product;
      Blocks::write(xs, begin, results);
      return;
    }
    uint end = begin + Blocks::size(xs, begin);
    UPSWEEP_ROLL
    for (uint i = begin; i < end; ++i) {
      Value x = Blocks::item(xs, i);
      State next = M::apply(h, element(x, Blocks::item(cs, i), earlier));
      Blocks::put(xs, i, value(inclusive ? next : h));
      h = next;
      earlier = FactorProduct::accumulate(earlier, Sums::number(x));
    }
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
