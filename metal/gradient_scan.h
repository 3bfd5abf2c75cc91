// The derivative of a product, tile by tile: like the scan of a recurrence,
// with the products of the elements beside it. A chunk is one tile.
//
// Vjp needs the products of later elements. A scan over the threads in their
// opposite order gives them.
#pragma once

namespace upsweep {

// Scans a thread's items. G is Vjp or Jvp of a format.
template <class G>
struct GradientItems {
  using F = typename G::Format;
  using Value = typename F::Value;
  using M = Recurrence<F>;
  using Map = typename M::Aggregate;
  using State = typename M::Prefix;
  using Product = FactorProduct::Aggregate;
  using Products = BlockProducts<F>;
  using Items = ThreadItems<M>;
  using Blocks = ItemBlocks<Value>;
  using Sums = GradientSums<F>;

  // Results replace the elements. `other` is the product of the elements that
  // come later, for Vjp, or before, for Jvp.
  static METAL_FUNC void scan(Items items, State h, Product other,
                              Products products, bool inclusive) {
    Blocks xs = Blocks::of(items.line, items.position, items.count);
    Blocks cs = Blocks::of(items.terms, items.position, items.count);
    if (G::kIsAgainstProduct) {
      UPSWEEP_UNROLL
      for (uint b = Products::kBlocks; b-- > 0;) {
        Product own = products.of[b];
        products.of[b] = other;
        other = FactorProduct::combine(other, own);
      }
    }
    UPSWEEP_ROLL
    for (uint b = 0; b * Products::kItems < items.count; ++b) {
      uint begin = b * Products::kItems;
      if (G::kIsAgainstProduct) other = Products::take(products);
      G::scan(xs, cs, begin, h, other, inclusive, products.are_plain);
    }
  }
};

// What a threadgroup does with a tile.
template <class G>
struct GradientTile {
  using F = typename G::Format;
  using M = Recurrence<F>;
  using Map = typename M::Aggregate;
  using State = typename M::Prefix;
  using Product = FactorProduct::Aggregate;
  using Products = BlockProducts<F>;
  using Items = GradientItems<G>;
  using Reduction = GradientReduction<G>;
  using Lines = GradientLines<G>;
  using States = GradientStates<G>;

  static METAL_FUNC uint span_of(constant ScanParams& params, uint chunk) {
    int64_t first = int64_t(chunk) * params.span;
    return uint(min(params.length.extent - first, int64_t(params.span)));
  }

  // Stores the products of a chunk's lines.
  static METAL_FUNC void reduce_products(Task<M> task, Lines lines,
                                         constant ScanParams& params,
                                         uint chunk, States states) {
    ThreadItems<M> items = load_tile(task, params, int64_t(chunk) * params.span,
                                     span_of(params, chunk));
    Products products;
    Lines::put(lines, ItemReduction<F>::reduce_products(items, products));
    Lines::reduce_products(lines);
    Product total = Lines::total_product(lines);
    if (!task.coord.is_active || task.coord.line_thread != 0) return;
    states.chunks
        .products[chunk_index(params, task.panel.index, chunk, task.coord)] =
        total;
  }

  // Stores the maps of a chunk's lines; for Vjp, the products too.
  static METAL_FUNC void reduce(Task<M> task, Lines lines,
                                constant ScanParams& params, uint chunk,
                                States states) {
    ThreadItems<M> items = load_tile(task, params, int64_t(chunk) * params.span,
                                     span_of(params, chunk));
    bool inclusive = params.inclusive != 0;
    Products products;
    Product own = FactorProduct::identity();
    if (!G::kIsAgainstProduct) {
      Lines::put(lines, ItemReduction<F>::reduce_products(items, products));
      Lines::scan_products(lines);
      own = Lines::other_product(lines);
      if (task.coord.is_active) {
        own = FactorProduct::combine(
            States::product(states, params, task.panel.index, chunk,
                            task.coord),
            own);
      }
    }
    Map map = Reduction::reduce(items, own, products, inclusive);
    Lines::put(lines, map);
    if (G::kIsAgainstProduct) {
      Lines::put(lines, own);
      Lines::reduce_both(lines);
    } else {
      Lines::reduce_maps(lines);
    }
    if (!task.coord.is_active || task.coord.line_thread != 0) return;
    int64_t at = chunk_index(params, task.panel.index, chunk, task.coord);
    states.chunks.maps[at] = Lines::total_map(lines);
    if (G::kIsAgainstProduct) {
      states.chunks.products[at] = Lines::total_product(lines);
    }
  }

  static METAL_FUNC void finish(Task<M> task, Lines lines,
                                constant ScanParams& params, uint chunk,
                                States states) {
    bool inclusive = params.inclusive != 0;
    int64_t first = int64_t(chunk) * params.span;
    uint span = span_of(params, chunk);
    ThreadItems<M> items = load_tile(task, params, first, span);
    State h = M::initial();
    Product other = FactorProduct::identity();
    if (params.chunks != 1 && task.coord.is_active) {
      h = States::sum(states, params, task.panel.index, chunk, task.coord);
      other =
          States::product(states, params, task.panel.index, chunk, task.coord);
    }
    Products products;
    if (G::kIsAgainstProduct) {
      Product own = FactorProduct::identity();
      Lines::put(lines, Reduction::reduce(items, own, products, inclusive));
      Lines::put(lines, own);
      Lines::scan_both(lines);
      other = FactorProduct::combine(other, Lines::other_product(lines));
    } else {
      Lines::put(lines, ItemReduction<F>::reduce_products(items, products));
      Lines::scan_products(lines);
      other = FactorProduct::combine(other, Lines::other_product(lines));
      Product earlier = other;
      Lines::put(lines, Reduction::reduce(items, earlier, products, inclusive));
      Lines::scan_maps(lines);
    }
    h = M::apply(h, Lines::map_before(lines));
    Items::scan(items, h, other, products, inclusive);
    store_tile(task, params, first, span);
  }
};

}  // namespace upsweep
