// What a thread's items amount to in the derivative of a product: their
// product, and what they make of the sum before them, block by block.
#pragma once

namespace upsweep {

// The products of a thread's blocks.
template <class F>
struct BlockProducts {
  static constant constexpr uint kItems =
      ItemBlock<typename F::Value>::kItems;  // of a block
  static constant constexpr uint kBlocks =
      ThreadItems<Recurrence<F>>::kItems / kItems;
  static_assert(kBlocks * kItems == ThreadItems<Recurrence<F>>::kItems,
                "whole blocks");
  using Product = FactorProduct::Aggregate;

  Product of[kBlocks];
  bool are_plain = false;  // Vjp: whether plain numbers are right for all

  // Those of all blocks are appended in order, then taken once, so that each
  // index is known to the compiler and they stay in registers.
  static METAL_FUNC void append(thread BlockProducts& products, Product value) {
    UPSWEEP_UNROLL
    for (uint b = 1; b < kBlocks; ++b) products.of[b - 1] = products.of[b];
    products.of[kBlocks - 1] = value;
  }
  static METAL_FUNC Product take(thread BlockProducts& products) {
    Product first = products.of[0];
    append(products, first);
    return first;
  }
};

// What the reductions of both have in common.
template <class F>
struct ItemReduction {
  using Value = typename F::Value;
  using M = Recurrence<F>;
  using Map = typename M::Aggregate;
  using Product = FactorProduct::Aggregate;
  using Products = BlockProducts<F>;
  using Items = ThreadItems<M>;
  using Blocks = ItemBlocks<Value>;
  using Block = ItemBlock<Value>;
  using Sums = GradientSums<F>;

  static METAL_FUNC Blocks factors(Items items) {
    return Blocks::of(items.line, items.position, items.count);
  }
  static METAL_FUNC Blocks terms(Items items) {
    return Blocks::of(items.terms, items.position, items.count);
  }

  static METAL_FUNC Product reduce_products(Items items,
                                            thread Products& products) {
    Blocks xs = factors(items);
    Product total = FactorProduct::identity();
    UPSWEEP_ROLL
    for (uint b = 0; b < Products::kBlocks; ++b) {
      Product own = FactorProduct::identity();
      uint begin = b * Products::kItems;
      if (begin < items.count) own = Sums::product(xs, begin);
      Products::append(products, own);
      total = FactorProduct::combine(total, own);
    }
    return total;
  }
};

template <class G>
struct GradientReduction;

template <class F>
struct GradientReduction<Jvp<F>> {
  using Base = ItemReduction<F>;
  using M = typename Base::M;
  using Map = typename Base::Map;
  using Product = typename Base::Product;
  using Products = typename Base::Products;
  using Items = typename Base::Items;
  using Blocks = typename Base::Blocks;

  // What the items make of the h before them; `product` is that of the elements
  // before them.
  static METAL_FUNC Map reduce(Items items, thread Product& product,
                               thread Products& products, bool) {
    Blocks xs = Base::factors(items), cs = Base::terms(items);
    Map total = M::identity();
    UPSWEEP_ROLL
    for (uint b = 0; b * Products::kItems < items.count; ++b) {
      uint begin = b * Products::kItems;
      Map own = Jvp<F>::map(xs, cs, begin, product);
      total = b == 0 ? own : M::combine(total, own);
      product = FactorProduct::combine(product, Products::take(products));
    }
    return total;
  }
};

// The products are parts of what the items make of h.
template <class F>
struct GradientReduction<Vjp<F>> {
  using Base = ItemReduction<F>;
  using G = Vjp<F>;
  using M = typename Base::M;
  using Map = typename Base::Map;
  using Product = typename Base::Product;
  using Products = typename Base::Products;
  using Items = typename Base::Items;
  using Blocks = typename Base::Blocks;

  // From 1, `product` becomes that of the items.
  static METAL_FUNC Map reduce(Items items, thread Product& product,
                               thread Products& products, bool inclusive) {
    Blocks xs = Base::factors(items), cs = Base::terms(items);
    typename G::Run run = G::start();
    UPSWEEP_ROLL
    for (uint b = 0; b < Products::kBlocks; ++b) {
      uint begin = b * Products::kItems;
      Product own = FactorProduct::identity();
      if (begin < items.count) {
        run = G::advance(run, Blocks::read(xs, begin, Base::Sums::one()),
                         Blocks::read(cs, begin, 0), inclusive, own);
        product = FactorProduct::combine(product, own);
      }
      Products::append(products, own);
    }
    run = G::end(run, inclusive);
    products.are_plain = run.is_valid;
    if (run.is_valid) return G::total(run, product);
    product = FactorProduct::identity();
    return exact(items, product, products, inclusive);
  }

 private:
  static METAL_FUNC Map exact(Items items, thread Product& product,
                              thread Products& products, bool inclusive) {
    Blocks xs = Base::factors(items), cs = Base::terms(items);
    Map total = M::identity();
    UPSWEEP_ROLL
    for (uint b = 0; b < Products::kBlocks; ++b) {
      uint begin = b * Products::kItems;
      Product own = FactorProduct::identity();
      if (begin < items.count) {
        total = M::combine(total, G::map(xs, cs, begin, inclusive));
        own = Base::Sums::exact_product(xs, begin);
        product = FactorProduct::combine(product, own);
      }
      Products::append(products, own);
    }
    return total;
  }
};

}  // namespace upsweep
