// Tiles: how they are loaded, finished and stored; and the scan of a chunk, one
// tile after another, with the carry in registers.
#pragma once

namespace upsweep {

// A thread's items of a tile whose first element is at `shift`.
template <class M>
METAL_FUNC ThreadItems<M> thread_items_at(Task<M> task,
                                          constant ScanParams& params,
                                          uint span, TileLayout tile,
                                          uint shift) {
  uint position = min(task.coord.line_thread * params.items_per_thread, span);
  int first = int(shift) + tile.first + tile.column * int(task.coord.column) +
              tile.batch * int(task.coord.batch);
  return {
      {task.shared.tile, first, tile.length},
      position,
      task.coord.is_active ? min(params.items_per_thread, span - position) : 0};
}

// Copies a tile into threadgroup memory, where it lies as in the output.
template <class M>
METAL_FUNC void load_elements(Task<M> task, constant ScanParams& params,
                              int64_t first, uint span,
                              Layout<typename M::Value> out) {
  using Value = typename M::Value;
  using IO = TileIO<Value, ThreadItems<M>::kItems>;
  constexpr bool is_one_of_two = Resets<M>::kHasSecond;
  Layout<Value> in =
      layout_in<Value, is_one_of_two>(params, task.panel, first, span);
  uint thread_index = index_of(task.thread_id);
  if (Layout<Value>::are_equal(in, out)) {
    IO::load(task.in, task.shared.tile, in, out.shift, thread_index);
  } else {
    IO::load_to(task.in, task.shared.tile, in,
                places_in<Value, is_one_of_two>(params, task.panel, span, out),
                thread_index);
  }
  Resets<M>::load(task, params, first, span, out);
  if (thread_index == 0) {
    atomic_store_explicit(task.shared.any_flag, 0, memory_order_relaxed);
  }
  await_copies();
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

// A thread's items of a tile that has been loaded.
template <class M>
METAL_FUNC ThreadItems<M> loaded_items(Task<M> task,
                                       constant ScanParams& params, uint span,
                                       Layout<typename M::Value> out) {
  return Resets<M>::read(
      task, params, span, out,
      thread_items_at(task, params, span, out.tile, out.shift));
}

// Loads a tile and returns a thread's items.
template <class M>
METAL_FUNC ThreadItems<M> load_tile(Task<M> task, constant ScanParams& params,
                                    int64_t first, uint span) {
  using Value = typename M::Value;
  Layout<Value> out = layout_out<Value>(params, task.panel, first, span);
  load_elements(task, params, first, span, out);
  return loaded_items(task, params, span, out);
}

// Stores the results, which have replaced the elements.
template <class M>
METAL_FUNC void store_results(Task<M> task, Layout<typename M::Value> out) {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  TileIO<typename M::Value, ThreadItems<M>::kItems>::store(
      task.shared.tile, task.out, out, index_of(task.thread_id));
}
template <class M>
METAL_FUNC void store_tile(Task<M> task, constant ScanParams& params,
                           int64_t first, uint span) {
  store_results(task,
                layout_out<typename M::Value>(params, task.panel, first, span));
}

// Computes and stores the results of a tile, given each thread's prefix.
template <class M>
METAL_FUNC void finish_tile(Task<M> task, constant ScanParams& params,
                            int64_t first, uint span, ThreadItems<M> items,
                            bool has_exits, typename M::Prefix state,
                            ThreadTotal<M> own) {
  bool inclusive = params.inclusive != 0;
  using Range = RangeExits<M, M::kCanExitRange>;
  if (has_exits && Range::must_step(state, own.total)) {
    Range::scan(items, state, own.is_fast, inclusive);
  } else {
    ThreadScan<M>::scan(items, state, own, inclusive);
  }
  store_tile(task, params, first, span);
}

// What a chunk of a line leads to.
template <class M>
struct ChunkResult {
  typename M::Prefix carry;  // after it
  typename M::Aggregate total;
};

// Scans a chunk; stores results if `stores`, else computes the total.
template <class M, bool stores>
METAL_FUNC ChunkResult<M> scan_chunk(Task<M> task, constant ScanParams& params,
                                     uint chunk, typename M::Prefix carry) {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  Aggregate total = M::identity();
  int64_t first = int64_t(chunk) * params.tiles * params.span;
  for (uint t = 0; t < params.tiles && first < params.length.extent; ++t) {
    uint span = uint(min(params.length.extent - first, int64_t(params.span)));
    ThreadItems<M> items = load_tile(task, params, first, span);
    ThreadTotal<M> own = ThreadScan<M>::reduce(items);
    ScanResult<M> scanned =
        group_scan<M>(own.total, task.thread_layout, task.thread_id,
                      task.shared.simdgroup_aggregates);
    Prefix state = M::apply(carry, scanned.before);
    Prefix next = M::apply(carry, scanned.total);
    bool has_exits = RangeExits<M, M::kCanExitRange>::resolve(
        task, items, span, carry, scanned.total, own, state, next);
    carry = next;
    if (stores) {
      finish_tile(task, params, first, span, items, has_exits, state, own);
    } else {
      total = M::combine(total, scanned.total);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    first += span;
  }
  return {carry, total};
}

// The total of each line of a chunk.
template <class M>
METAL_FUNC typename M::Aggregate reduce_chunk(Task<M> task,
                                              constant ScanParams& params,
                                              uint chunk) {
  using Aggregate = typename M::Aggregate;
  Aggregate total = M::identity();
  int64_t first = int64_t(chunk) * params.tiles * params.span;
  for (uint t = 0; t < params.tiles && first < params.length.extent; ++t) {
    uint span = uint(min(params.length.extent - first, int64_t(params.span)));
    ThreadItems<M> items = load_tile(task, params, first, span);
    ThreadTotal<M> own = ThreadScan<M>::reduce(items);
    ScanResult<M> scanned =
        group_scan<M>(own.total, task.thread_layout, task.thread_id,
                      task.shared.simdgroup_aggregates);
    total = M::combine(total, scanned.total);
    first += span;
  }
  return total;
}

}  // namespace upsweep
