// The scan of a chunk: tile after tile, with the carry handed on in registers.
//
// Results can leave the range of the dtype, and then stay out: zero, infinite
// or NaN. How a line goes on is known without looking as long as the bounds of
// a tile, from the carry on, stay within the range (M::safe), which is nearly
// always so. Otherwise all threads look, each as if nothing had happened before
// its own elements, for a step that leaves the range. The first one of those in
// a line is real, and whatever comes behind it goes on from there (M::resume).
#pragma once

namespace upsweep {

// The memory that the threads of a group share.
template <class M>
struct Shared {
  threadgroup uint* tile;
  threadgroup typename M::Total* slots;
  threadgroup atomic_uint* mailbox;
};

// What a threadgroup works on, as one thread sees it.
template <class M>
struct Task {
  using Value = typename M::Value;
  device const Value* in;
  device Value* out;
  Panel panel;
  Seat seat;
  Spread spread;
  Thread thread_at;
  Shared<M> shared;
};

template <class M>
METAL_FUNC Task<M> make_task(device const typename M::Value* in,
                             device typename M::Value* out,
                             constant ScanParams& params, uint panel_index,
                             Thread thread_at, Shared<M> shared) {
  Panel panel = make_panel(params, panel_index);
  Seat seat = make_seat(params, panel, index_of(thread_at));
  Spread spread = {params.lane_threads, params.line_threads};
  return {in, out, panel, seat, spread, thread_at, shared};
}

template <class M>
constexpr uint32_t tile_vectors() {
  return tile_vectors(uint(kThreads) * Part<M>::kItems,
                      sizeof(typename M::Value));
}

// Whether any thread of the group says so. The mailbox is 0 before.
METAL_FUNC bool any_thread(bool mine, threadgroup atomic_uint* mailbox) {
  if (mine) atomic_store_explicit(mailbox, 1, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return atomic_load_explicit(mailbox, memory_order_relaxed) != 0;
}

// Where results can leave the range. settle brings `state`, what enters a
// thread's part, and `next`, the carry behind the tile, right, and returns
// whether the part has to be followed step by step.
template <class M, bool exits>
struct Exits {
  using State = typename M::State;
  using Event = typename M::Event;

  static METAL_FUNC bool possible(State carry, typename M::Total total) {
    return !M::safe(carry, total);
  }

  static METAL_FUNC bool settle(Task<M> task, Part<M> part, uint span,
                                State carry, typename M::Total total,
                                thread State& state, thread State& next) {
    bool mine = task.seat.used && possible(carry, total);
    if (!any_thread(mine, task.shared.mailbox)) return false;
    Scanned<First<M>> events = group_scan<First<M>>(
        first_event(part, state), task.spread, task.thread_at,
        (threadgroup Event*)task.shared.slots);
    Event before = First<M>::join(M::carried(carry), events.before);
    Event last = First<M>::join(M::carried(carry), events.total);
    if (M::happened(before)) {
      state = M::resume(state, before, part.line, part.place);
    }
    if (M::happened(last)) next = M::resume(next, last, part.line, span);
    // Nobody overwrites the tile while others may look into it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return true;
  }

  // The results of a part, step by step.
  static METAL_FUNC Part<M> results(Part<M> part, State state, bool inclusive) {
    Indexed<M> in = Indexed<M>::of(part);
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      State after = M::advance(state, in.item[i]);
      in.item[i] = M::value(inclusive ? after : state);
      state = after;
    }
    return Indexed<M>::put_back(in, part);
  }

 private:
  static METAL_FUNC Event first_event(Part<M> part, State state) {
    Indexed<M> in = Indexed<M>::of(part);
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      State after = M::advance(state, in.item[i]);
      if (M::alive(state) && !M::alive(after)) {
        return M::event(after, part.place + i + 1);
      }
      state = after;
    }
    return M::no_event();
  }
};

template <class M>
struct Exits<M, false> {
  using State = typename M::State;
  static METAL_FUNC bool possible(State, typename M::Total) { return false; }
  static METAL_FUNC bool settle(Task<M>, Part<M>, uint, State,
                                typename M::Total, thread State&,
                                thread State&) {
    return false;
  }
  static METAL_FUNC Part<M> results(Part<M> part, State, bool) { return part; }
};

// Brings a tile into threadgroup memory, and from there a thread's part into
// registers.
template <class M>
METAL_FUNC Part<M> load_part(Task<M> task, constant ScanParams& params,
                             int64_t first, uint span,
                             thread Layout<typename M::Value>& layout) {
  using Value = typename M::Value;
  layout = layout_in<Value>(params, task.panel, first, span);
  Stage<Value, Part<M>::kItems>::in(task.in, task.shared.tile, layout,
                                    index_of(task.thread_at));
  if (index_of(task.thread_at) == 0) {
    atomic_store_explicit(task.shared.mailbox, 0, memory_order_relaxed);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  Part<M> part;
  uint most = (params.span + params.line_threads - 1) / params.line_threads;
  part.place = min(task.seat.place * most, span);
  part.count = task.seat.used ? min(most, span - part.place) : 0;
  part.line = {task.shared.tile,
               layout.first + layout.lane * int(task.seat.lane) +
                   layout.block * int(task.seat.block),
               layout.length};
  return read_items(part);
}

// Whether a tile of the output lies as that of the input does.
template <class V>
METAL_FUNC bool lie_alike(constant ScanParams& params, Panel panel) {
  return params.length.in_step == params.length.out_step &&
         params.lane.in_step == params.lane.out_step &&
         params.block.in_step == params.block.out_step &&
         (uint(panel.in - panel.out) & Layout<V>::kRest) == 0;
}

// The results of a part go through threadgroup memory, as its elements did.
template <class M>
METAL_FUNC void store_part(Task<M> task, constant ScanParams& params,
                           int64_t first, uint span, Part<M> part,
                           Layout<typename M::Value> layout) {
  using Value = typename M::Value;
  if (lie_alike<Value>(params, task.panel)) {
    layout.base += task.panel.out - task.panel.in;
  } else {
    layout = layout_out<Value>(params, task.panel, first, span);
  }
  part.line.first = layout.first + layout.lane * int(task.seat.lane) +
                    layout.block * int(task.seat.block);
  part.line.step = layout.length;
  write_items(part, task.shared.tile);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  Stage<Value, Part<M>::kItems>::out(task.shared.tile, task.out, layout,
                                     index_of(task.thread_at));
}

// Scans a chunk and returns the carry behind it. Without `stores`, that is all
// it does.
template <class M, bool stores>
METAL_FUNC typename M::State scan_chunk(Task<M> task,
                                        constant ScanParams& params, uint chunk,
                                        typename M::State carry) {
  using State = typename M::State;
  using Total = typename M::Total;
  using E = Exits<M, M::kExits>;
  int64_t first = int64_t(chunk) * params.tiles * params.span;
  for (uint t = 0; t < params.tiles && first < params.length.extent; ++t) {
    uint span = uint(min(params.length.extent - first, int64_t(params.span)));
    Layout<typename M::Value> layout;
    Part<M> part = load_part(task, params, first, span, layout);
    bool came_quick;
    Total own = Quick<M, M::kQuick>::fold(part, came_quick);
    Scanned<M> scanned =
        group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
    State state = M::after(carry, scanned.before);
    State next = M::after(carry, scanned.total);
    bool steps = E::settle(task, part, span, carry, scanned.total, state, next);
    carry = next;
    if (stores) {
      // All threads have their parts: the tile gives way to its results.
      bool inclusive = params.inclusive != 0;
      part = steps ? E::results(part, state, inclusive)
                   : Quick<M, M::kQuick>::results(part, state, own, came_quick,
                                                  inclusive);
      store_part(task, params, first, span, part, layout);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    first += span;
  }
  return carry;
}

// The total of each line of a chunk.
template <class M>
METAL_FUNC typename M::Total fold_chunk(Task<M> task,
                                        constant ScanParams& params,
                                        uint chunk) {
  using Total = typename M::Total;
  Total total = M::none();
  int64_t first = int64_t(chunk) * params.tiles * params.span;
  for (uint t = 0; t < params.tiles && first < params.length.extent; ++t) {
    uint span = uint(min(params.length.extent - first, int64_t(params.span)));
    Layout<typename M::Value> layout;
    Part<M> part = load_part(task, params, first, span, layout);
    bool came_quick;
    Total own = Quick<M, M::kQuick>::fold(part, came_quick);
    Scanned<M> scanned =
        group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
    total = M::join(total, scanned.total);
    first += span;
  }
  return total;
}

}  // namespace upsweep
