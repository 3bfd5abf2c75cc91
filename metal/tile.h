// The scan of a chunk: tile after tile, with the carry handed on in registers.
//
// Results can leave the range of the dtype, and then stay out: zero, infinite
// or NaN. How a line goes on is known without looking as long as the bounds of
// each thread's part, from what enters it on, stay within the range (M::safe),
// which is nearly always so. Otherwise all threads look, each as if nothing had
// happened before its own elements, for a step that leaves the range. The first
// one of those in a line is real, and whatever comes behind it goes on from
// there (M::resume).
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
// thread's part of the total `own`, and `next`, the carry behind the tile,
// right, and returns whether the part has to be followed step by step.
template <class M, bool exits>
struct Exits {
  using State = typename M::State;
  using Event = typename M::Event;

  static METAL_FUNC bool possible(State carry, typename M::Total total) {
    return !M::safe(carry, total);
  }

  static METAL_FUNC bool settle(Task<M> task, Part<M> part, uint span,
                                State carry, typename M::Total own,
                                thread State& state, thread State& next) {
    // A carry may be of a kind that only steps lead on from.
    bool mine =
        task.seat.used && (possible(state, own) || possible(carry, M::none()));
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
  static METAL_FUNC void results(Part<M> part, State state, bool inclusive) {
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      State after = M::advance(state, get(part.line, part.place + i));
      put(part.line, part.place + i, M::value(inclusive ? after : state));
      state = after;
    }
  }

 private:
  static METAL_FUNC Event first_event(Part<M> part, State state) {
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      State after = M::advance(state, get(part.line, part.place + i));
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
  static METAL_FUNC void results(Part<M>, State, bool) {}
};

// A thread's part of a tile whose first element is at the position `shift`.
template <class M>
METAL_FUNC Part<M> part_at(Task<M> task, constant ScanParams& params, uint span,
                           TileLayout tile, uint shift) {
  uint place = min(task.seat.place * params.part, span);
  int first = int(shift) + tile.first + tile.lane * int(task.seat.lane) +
              tile.block * int(task.seat.block);
  return {{task.shared.tile, first, tile.length},
          place,
          task.seat.used ? min(params.part, span - place) : 0};
}

// Brings a tile into threadgroup memory, and says where a thread's part is.
// Vectors are cut as in the output.
template <class M>
METAL_FUNC Part<M> load_tile(Task<M> task, constant ScanParams& params,
                             int64_t first, uint span) {
  using Value = typename M::Value;
  Layout<Value> layout = layout_in<Value>(params, task.panel, first, span);
  uint shift = layout_out<Value>(params, task.panel, first, span).shift;
  Stage<Value, Part<M>::kItems>::in(task.in, task.shared.tile, layout, shift,
                                    index_of(task.thread_at));
  if (index_of(task.thread_at) == 0) {
    atomic_store_explicit(task.shared.mailbox, 0, memory_order_relaxed);
  }
  Part<M> part = part_at(task, params, span, layout.tile, shift);
  await_copies();
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return part;
}

// The results, which are where the elements were, on their way out.
template <class M>
METAL_FUNC void store_tile(Task<M> task, constant ScanParams& params,
                           int64_t first, uint span, Part<M> part) {
  using Value = typename M::Value;
  Layout<Value> in = layout_in<Value>(params, task.panel, first, span);
  Layout<Value> out = layout_out<Value>(params, task.panel, first, span);
  if (!Layout<Value>::lie_alike(in, out)) {
    move_part(part, part_at(task, params, span, out.tile, out.shift));
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  Stage<Value, Part<M>::kItems>::out(task.shared.tile, task.out, out,
                                     index_of(task.thread_at));
}

// The results of a tile, from what enters each thread's part on.
template <class M>
METAL_FUNC void finish_tile(Task<M> task, constant ScanParams& params,
                            int64_t first, uint span, Part<M> part, bool steps,
                            typename M::State state, typename M::Total own,
                            bool came_quick) {
  bool inclusive = params.inclusive != 0;
  if (steps) {
    Exits<M, M::kExits>::results(part, state, inclusive);
  } else {
    Along<M>::results(part, state, own, came_quick, inclusive);
  }
  store_tile(task, params, first, span, part);
}

// Scans a chunk and returns the carry behind it. Without `stores`, that is all
// it does.
template <class M, bool stores>
METAL_FUNC typename M::State scan_chunk(Task<M> task,
                                        constant ScanParams& params, uint chunk,
                                        typename M::State carry) {
  using State = typename M::State;
  using Total = typename M::Total;
  int64_t first = int64_t(chunk) * params.tiles * params.span;
  for (uint t = 0; t < params.tiles && first < params.length.extent; ++t) {
    uint span = uint(min(params.length.extent - first, int64_t(params.span)));
    Part<M> part = load_tile(task, params, first, span);
    bool came_quick;
    Total own = Along<M>::fold(part, came_quick);
    Scanned<M> scanned =
        group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
    State state = M::after(carry, scanned.before);
    State next = M::after(carry, scanned.total);
    bool steps =
        Exits<M, M::kExits>::settle(task, part, span, carry, own, state, next);
    carry = next;
    if (stores) {
      finish_tile(task, params, first, span, part, steps, state, own,
                  came_quick);
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
    Part<M> part = load_tile(task, params, first, span);
    bool came_quick;
    Total own = Along<M>::fold(part, came_quick);
    Scanned<M> scanned =
        group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
    total = M::join(total, scanned.total);
    first += span;
  }
  return total;
}

}  // namespace upsweep
