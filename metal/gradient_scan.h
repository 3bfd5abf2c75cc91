// The derivative of a product, tile by tile: like the scan of a recurrence,
// with the products of the elements beside it. A chunk is one tile.
//
// Vjp needs the products of later elements. A scan over the threads in their
// opposite order gives them.
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
  FactorProduct::Aggregate of[kBlocks];
};

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

  static METAL_FUNC Product reduce_products(Items items,
                                            thread Products& products) {
    Blocks xs = Blocks::of(items.line, items.position, items.count);
    Product total = FactorProduct::identity();
    UPSWEEP_ROLL
    for (uint b = 0; b < Products::kBlocks; ++b) {
      Product own = FactorProduct::identity();
      uint begin = b * Products::kItems;
      if (begin < items.count) {
        own = Sums::product(Blocks::read(xs, begin, Sums::one()),
                            Blocks::size(xs, begin));
      }
      products.of[b] = own;
      total = FactorProduct::combine(total, own);
    }
    return total;
  }

  // What the items make of the h before them. Jvp needs the product of the
  // elements before them, and those of the blocks. Vjp finds its products on
  // the way, because they are parts of the maps: from 1, `product` becomes that
  // of the items.
  static METAL_FUNC Map reduce(Items items, thread Product& product,
                               thread Products& products, bool inclusive) {
    Blocks xs = Blocks::of(items.line, items.position, items.count);
    Blocks cs = Blocks::of(items.terms, items.position, items.count);
    Map total = M::identity();
    UPSWEEP_ROLL
    for (uint b = 0; b < Products::kBlocks; ++b) {
      uint begin = b * Products::kItems;
      if (G::kIsAgainstProduct) products.of[b] = FactorProduct::identity();
      if (begin >= items.count) continue;
      ItemBlock<Value> x = Blocks::read(xs, begin, Sums::one());
      uint size = Blocks::size(xs, begin);
      Map own = G::map(x, Blocks::read(cs, begin, Value(0)), size, product,
                       inclusive);
      total = b == 0 ? own : M::combine(total, own);
      if (G::kIsAgainstProduct) products.of[b] = Sums::product(own, x, size);
      product = FactorProduct::combine(product, products.of[b]);
    }
    return total;
  }

  // Results replace the elements. `other` is the product of the elements that
  // come later, for Vjp, or before, for Jvp.
  static METAL_FUNC void scan(Items items, State h, Product other,
                              Products products, bool inclusive) {
    Blocks xs = Blocks::of(items.line, items.position, items.count);
    Blocks cs = Blocks::of(items.terms, items.position, items.count);
    if (G::kIsAgainstProduct) {
      UPSWEEP_ROLL
      for (uint b = Products::kBlocks; b-- > 0;) {
        Product own = products.of[b];
        products.of[b] = other;
        other = FactorProduct::combine(other, own);
      }
    }
    UPSWEEP_ROLL
    for (uint b = 0; b * Products::kItems < items.count; ++b) {
      uint begin = b * Products::kItems;
      ItemBlock<Value> x = Blocks::read(xs, begin, Sums::one());
      ItemBlock<Value> c = Blocks::read(cs, begin, Value(0));
      if (G::kIsAgainstProduct) other = products.of[b];
      Blocks::write(
          xs, begin,
          G::scan(x, c, Blocks::size(xs, begin), h, other, inclusive));
    }
  }
};

// Scans over the threads of a group.
template <class G>
struct GradientGroup {
  using M = typename G::M;
  using Map = typename M::Aggregate;
  using Product = FactorProduct::Aggregate;

  ThreadLayout thread_layout;
  ThreadId thread_id;
  threadgroup Map* shared;

  static METAL_FUNC ScanResult<M> scan_maps(GradientGroup here, Map own) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return group_scan<M>(own, here.thread_layout, here.thread_id, here.shared);
  }
  static METAL_FUNC ScanResult<FactorProduct> scan_products(GradientGroup here,
                                                            Product own) {
    return group_scan<FactorProduct>(own, here.thread_layout, here.thread_id,
                                     (threadgroup Product*)here.shared);
  }
  // The product of all threads of the line that come later, for Vjp, or before,
  // for Jvp.
  static METAL_FUNC Product other_products(GradientGroup here, Product own) {
    if (!G::kIsAgainstProduct) return scan_products(here, own).before;
    own = exchange(here, own);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    Product before = scan_products(here, own).before;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return exchange(here, before);
  }

 private:
  // What the thread has that is as far from the other end of the line.
  static METAL_FUNC Product exchange(GradientGroup here, Product own) {
    threadgroup Product* all = (threadgroup Product*)here.shared;
    uint thread_index = index_of(here.thread_id);
    uint apart = here.thread_layout.column_threads;
    uint threads = here.thread_layout.line_threads;
    uint line_thread = thread_index / apart & (threads - 1);
    all[thread_index] = own;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return all[thread_index + (threads - 1 - 2 * line_thread) * apart];
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
  using Group = GradientGroup<G>;
  using States = GradientStates<G>;

  static METAL_FUNC Group group_of(Task<M> task) {
    return {task.thread_layout, task.thread_id,
            task.shared.simdgroup_aggregates};
  }

  static METAL_FUNC uint span_of(constant ScanParams& params, uint chunk) {
    int64_t first = int64_t(chunk) * params.span;
    return uint(min(params.length.extent - first, int64_t(params.span)));
  }

  // Stores the products of a chunk's lines.
  static METAL_FUNC void reduce_products(Task<M> task,
                                         constant ScanParams& params,
                                         uint chunk, States states) {
    ThreadItems<M> items = load_tile(task, params, int64_t(chunk) * params.span,
                                     span_of(params, chunk));
    Products products;
    Product total = Group::scan_products(
                        group_of(task), Items::reduce_products(items, products))
                        .total;
    if (!task.coord.is_active || task.coord.line_thread != 0) return;
    states.chunks
        .products[chunk_index(params, task.panel.index, chunk, task.coord)] =
        total;
  }

  // Stores the maps of a chunk's lines; for Vjp, the products too.
  static METAL_FUNC void reduce(Task<M> task, constant ScanParams& params,
                                uint chunk, States states) {
    ThreadItems<M> items = load_tile(task, params, int64_t(chunk) * params.span,
                                     span_of(params, chunk));
    bool inclusive = params.inclusive != 0;
    Products products;
    Product own = FactorProduct::identity();
    if (!G::kIsAgainstProduct) {
      own = Group::scan_products(group_of(task),
                                 Items::reduce_products(items, products))
                .before;
      if (task.coord.is_active) {
        own = FactorProduct::combine(
            States::product(states, params, task.panel.index, chunk,
                            task.coord),
            own);
      }
    }
    Map map = Items::reduce(items, own, products, inclusive);
    Map total = Group::scan_maps(group_of(task), map).total;
    int64_t at = chunk_index(params, task.panel.index, chunk, task.coord);
    bool stores = task.coord.is_active && task.coord.line_thread == 0;
    if (stores) states.chunks.maps[at] = total;
    if (!G::kIsAgainstProduct) return;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    Product product = Group::scan_products(group_of(task), own).total;
    if (stores) states.chunks.products[at] = product;
  }

  static METAL_FUNC void finish(Task<M> task, constant ScanParams& params,
                                uint chunk, States states) {
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
    Product own = FactorProduct::identity();
    Map map = M::identity();
    if (G::kIsAgainstProduct) {
      map = Items::reduce(items, own, products, inclusive);
    } else {
      own = Items::reduce_products(items, products);
    }
    other = FactorProduct::combine(other,
                                   Group::other_products(group_of(task), own));
    if (!G::kIsAgainstProduct) {
      Product earlier = other;
      map = Items::reduce(items, earlier, products, inclusive);
    }
    h = M::apply(h, Group::scan_maps(group_of(task), map).before);
    Items::scan(items, h, other, products, inclusive);
    store_tile(task, params, first, span, items);
  }
};

}  // namespace upsweep
