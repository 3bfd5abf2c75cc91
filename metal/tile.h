// The scan of a chunk: one tile after another, with the carry in registers.
//
// Results can leave the range of the dtype and then stay out: zero, infinite
// or NaN. Nearly always, bounds prove that no thread's items leave it
// (M::is_safe). Otherwise every thread looks for the first step among its own
// items that leaves the range, assuming that none did before. Only the first
// exit of a line is real; later items resume from it (M::resume).
#pragma once

namespace upsweep {

// The memory that the threads of a group share.
template <class M>
struct Shared {
  threadgroup uint* tile;
  threadgroup typename M::Aggregate* simdgroup_aggregates;
  threadgroup atomic_uint* any_flag;
};

// What a threadgroup works on, as one thread sees it.
template <class M>
struct Task {
  using Value = typename M::Value;
  device const Value* in;
  device Value* out;
  device const uchar* resets;    // of WithResets and of recurrences
  device const uchar* initials;  // of the kind that the parameters say
  device const Value* second;    // the terms b of a recurrence
  Panel panel;
  ThreadCoord coord;
  ThreadLayout thread_layout;
  ThreadId thread_id;
  Shared<M> shared;
};

template <class M>
METAL_FUNC Task<M> make_task(device const typename M::Value* in,
                             device typename M::Value* out,
                             device const uchar* resets,
                             device const uchar* initials,
                             device const typename M::Value* second,
                             constant ScanParams& params, uint panel_index,
                             ThreadId thread_id, Shared<M> shared) {
  Panel panel = make_panel(params, panel_index);
  ThreadCoord coord = make_coord(params, panel, index_of(thread_id));
  ThreadLayout thread_layout = {params.column_threads, params.line_threads};
  return {in,    out,   resets,        initials,  second,
          panel, coord, thread_layout, thread_id, shared};
}

// What resets and a second input add to a tile and to a thread's items
// (reset_flags.h, recurrence_scan.h): nothing where M has none.
template <class M>
struct Resets {
  using TileOut = Layout<typename M::Value>;
  static constant constexpr uint kBytes = 0;          // of a state
  static constant constexpr uint kVectors = 0;        // of threadgroup memory
  static constant constexpr bool kHasSecond = false;  // input

  static METAL_FUNC void load(Task<M>, constant ScanParams&, int64_t, uint,
                              TileOut) {}
  static METAL_FUNC ThreadItems<M> read(Task<M>, constant ScanParams&, uint,
                                        TileOut, ThreadItems<M> items) {
    return items;
  }
};

template <class M>
constexpr uint32_t tile_vectors() {
  return tile_vectors(uint(kThreads) * ThreadItems<M>::kItems,
                      sizeof(typename M::Value)) +
         Resets<M>::kVectors;
}

// Whether `mine` is true in any thread of the group. The flag is 0 before.
METAL_FUNC bool any_thread(bool mine, threadgroup atomic_uint* any_flag) {
  if (mine) atomic_store_explicit(any_flag, 1, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return atomic_load_explicit(any_flag, memory_order_relaxed) != 0;
}

// Scans a thread's items step by step, in the range or not.
template <class M>
METAL_FUNC void scan_stepwise(ThreadItems<M> items, typename M::Prefix state,
                              bool inclusive) {
  ItemResets<M> resets = ItemResets<M>::of(items);
  UPSWEEP_ROLL
  for (uint i = 0; i < items.count; ++i) {
    state = ItemResets<M>::restart_prefix(resets, i, state);
    typename M::Prefix after =
        M::advance(state, get(items.line, items.position + i));
    put(items.line, items.position + i, M::value(inclusive ? after : state));
    state = after;
  }
}

// For results that can leave the range. `resolve` corrects `state`, the prefix
// of a thread's items, and `next`, the carry after the tile. It returns whether
// any result of the tile may be out of the range. Then a thread must scan its
// items step by step if must_step, from the corrected state.
template <class M, bool can_exit>
struct RangeExits {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using RangeExit = typename M::RangeExit;
  static constant constexpr bool kExitSuffices = M::kExitSuffices;

  // The first exits of a line: before a thread's items, and of all of them.
  struct Found {
    RangeExit before;
    RangeExit all;
  };

  static METAL_FUNC RangeExit no_exit() { return M::no_exit(); }
  static METAL_FUNC Found none() { return {M::no_exit(), M::no_exit()}; }

  static METAL_FUNC bool may_exit(Prefix carry, Aggregate total) {
    return !M::is_safe(carry, total);
  }
  static METAL_FUNC bool must_step(Prefix state, Aggregate own) {
    return !M::is_safe(state, own);
  }

  // Exits within the tile, as if there was none before. Returns whether any
  // thread is in doubt; all have to call it.
  static METAL_FUNC bool find(Task<M> task, ThreadItems<M> items, Prefix carry,
                              Aggregate own, Prefix state, bool in_doubt,
                              thread Found& found) {
    // Some carries can only be continued step by step.
    bool mine =
        in_doubt || (task.coord.is_active &&
                     (may_exit(state, own) || may_exit(carry, M::identity())));
    if (!any_thread(mine, task.shared.any_flag)) return false;
    RangeExit own_exit = M::no_exit();
    if (must_step(state, own)) own_exit = first_exit(items, state);
    ScanResult<EarlierExit<M>> exits = group_scan<EarlierExit<M>>(
        own_exit, task.thread_layout, task.thread_id,
        (threadgroup RangeExit*)task.shared.simdgroup_aggregates);
    found = {exits.before, exits.total};
    return true;
  }

  // Resumes from the exits that were found and from one before the tile.
  static METAL_FUNC void resume(ThreadItems<M> items, uint span,
                                RangeExit entering, Found found,
                                thread Prefix& state, thread Prefix& next) {
    RangeExit before = EarlierExit<M>::combine(entering, found.before);
    RangeExit last = EarlierExit<M>::combine(entering, found.all);
    if (M::has_exited(before)) {
      state = M::resume(state, before, items.line, items.position);
    }
    if (M::has_exited(last)) next = M::resume(next, last, items.line, span);
    // Other threads may still read the tile.
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  static METAL_FUNC bool resolve(Task<M> task, ThreadItems<M> items, uint span,
                                 Prefix carry, Aggregate own,
                                 thread Prefix& state, thread Prefix& next) {
    Found found = none();
    if (!find(task, items, carry, own, state, false, found)) return false;
    resume(items, span, M::exit_of_carry(carry), found, state, next);
    return true;
  }

  static METAL_FUNC Prefix advance(Prefix s, typename M::Value x) {
    return M::advance(s, x);
  }

  static METAL_FUNC void scan(ThreadItems<M> items, Prefix state,
                              bool inclusive) {
    scan_stepwise<M>(items, state, inclusive);
  }

 private:
  static METAL_FUNC RangeExit first_exit(ThreadItems<M> items, Prefix state) {
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      Prefix after = M::advance(state, get(items.line, items.position + i));
      if (M::is_live(state) && !M::is_live(after)) {
        return M::exit_at(after, items.position + i + 1);
      }
      state = after;
    }
    return M::no_exit();
  }
};

template <class M>
struct RangeExits<M, false> {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using RangeExit = uint;
  static constant constexpr bool kExitSuffices = false;

  static METAL_FUNC RangeExit no_exit() { return 0; }
  static METAL_FUNC bool may_exit(Prefix, Aggregate) { return false; }
  static METAL_FUNC bool must_step(Prefix, Aggregate) { return false; }
  static METAL_FUNC bool resolve(Task<M>, ThreadItems<M>, uint, Prefix,
                                 Aggregate, thread Prefix&, thread Prefix&) {
    return false;
  }
  static METAL_FUNC Prefix advance(Prefix s, typename M::Value x) {
    return M::advance_unchecked(s, x);
  }
  static METAL_FUNC void scan(ThreadItems<M>, Prefix, bool) {}
};

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

// Loads a tile into threadgroup memory and returns a thread's items. Vectors
// are split as in the output.
template <class M>
METAL_FUNC ThreadItems<M> load_tile(Task<M> task, constant ScanParams& params,
                                    int64_t first, uint span) {
  using Value = typename M::Value;
  Layout<Value> layout =
      layout_in<Value, Resets<M>::kHasSecond>(params, task.panel, first, span);
  Layout<Value> out = layout_out<Value>(params, task.panel, first, span);
  uint shift = out.shift;
  TileIO<Value, ThreadItems<M>::kItems>::load(task.in, task.shared.tile, layout,
                                              shift, index_of(task.thread_id));
  Resets<M>::load(task, params, first, span, out);
  if (index_of(task.thread_id) == 0) {
    atomic_store_explicit(task.shared.any_flag, 0, memory_order_relaxed);
  }
  ThreadItems<M> items =
      thread_items_at(task, params, span, layout.tile, shift);
  await_copies();
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return Resets<M>::read(task, params, span, out, items);
}

// Stores the results, which have replaced the elements.
template <class M>
METAL_FUNC void store_tile(Task<M> task, constant ScanParams& params,
                           int64_t first, uint span, ThreadItems<M> items) {
  using Value = typename M::Value;
  Layout<Value> in =
      layout_in<Value, Resets<M>::kHasSecond>(params, task.panel, first, span);
  Layout<Value> out = layout_out<Value>(params, task.panel, first, span);
  if (!Layout<Value>::are_equal(in, out)) {
    move_items(items, thread_items_at(task, params, span, out.tile, out.shift));
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  TileIO<Value, ThreadItems<M>::kItems>::store(task.shared.tile, task.out, out,
                                               index_of(task.thread_id));
}

// Computes and stores the results of a tile, given each thread's prefix.
template <class M>
METAL_FUNC void finish_tile(Task<M> task, constant ScanParams& params,
                            int64_t first, uint span, ThreadItems<M> items,
                            bool has_exits, typename M::Prefix state,
                            typename M::Aggregate own, bool is_fast) {
  bool inclusive = params.inclusive != 0;
  using Exits = RangeExits<M, M::kCanExitRange>;
  if (has_exits && Exits::must_step(state, own)) {
    Exits::scan(items, state, inclusive);
  } else {
    ThreadScan<M>::scan(items, state, own, is_fast, inclusive);
  }
  store_tile(task, params, first, span, items);
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
    bool is_fast;
    Aggregate own = ThreadScan<M>::reduce(items, is_fast);
    ScanResult<M> scanned =
        group_scan<M>(own, task.thread_layout, task.thread_id,
                      task.shared.simdgroup_aggregates);
    Prefix state = M::apply(carry, scanned.before);
    Prefix next = M::apply(carry, scanned.total);
    bool has_exits = RangeExits<M, M::kCanExitRange>::resolve(
        task, items, span, carry, own, state, next);
    carry = next;
    if (stores) {
      finish_tile(task, params, first, span, items, has_exits, state, own,
                  is_fast);
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
    bool is_fast;
    Aggregate own = ThreadScan<M>::reduce(items, is_fast);
    ScanResult<M> scanned =
        group_scan<M>(own, task.thread_layout, task.thread_id,
                      task.shared.simdgroup_aggregates);
    total = M::combine(total, scanned.total);
    first += span;
  }
  return total;
}

}  // namespace upsweep
