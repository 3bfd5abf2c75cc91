// Look-back: a scan in a single pass, for devices that start threadgroups in
// the order of their index and let those that have started get on (decoupled
// look-back, as in CUB).
//
// A threadgroup scans one tile. Their order goes through chunk 0 of all panels,
// then chunk 1, and so on, so that predecessors have usually finished. A
// threadgroup publishes the carry after its tile.
//
// Which published values make up the prefix of a tile depends only on the
// parameters, never on timing, so equal inputs give equal bits. With
// look_back_set = 1 it is the carry after the previous tile. With few lines
// that chain is too slow: then look_back_group tiles form a group,
// look_back_set groups form a set, and the prefix of a tile is
//
//   the carry after the last set but one (two sets before the tile's own)
//     · aggregates of the groups from there to the tile's group
//     · aggregates of the earlier tiles of its group
//
// Each tile publishes its aggregate, and the last tile of a group also
// publishes the group's. Groups of one tile need one exchange less; larger ones
// have fewer aggregates to read, which counts where a tile has many lines.
//
// If a result may leave the range of the dtype on the way, only a scan can
// tell. Each tile scans as if no result had left it before the tile, and
// publishes the exit that it finds; the first of the exits of the tiles before
// is the one that counts. Where an exit does not tell how the line continues,
// the tile waits for the carry after its predecessor instead.
#pragma once

namespace upsweep {

// What a tile has yet to publish.
struct Unpublished {
  bool carry;
  bool exit;
};

template <class M>
struct LookBack {
  using Aggregate = typename M::Aggregate;
  using Prefix = typename M::Prefix;
  using Range = RangeExits<M, M::kCanExitRange>;

  // The prefix of a chunk's tile. `initial` is the prefix of the line, and
  // `total` the aggregate of this thread's line within the tile. All threads
  // must call it. The leader of a line publishes the carry after the tile here
  // if no result can leave the range within the tile. If one may have left it
  // before, the line is in doubt, and the prefix is as if none had.
  static METAL_FUNC Prefix prefix_of_tile(Task<M> task,
                                          constant ScanParams& params,
                                          TileStates<M> states, uint chunk,
                                          Prefix initial, Aggregate total,
                                          thread Unpublished& unpublished,
                                          thread bool& in_doubt) {
    bool is_leader = is_line_leader(task);
    bool is_chain = params.look_back_set == 1;
    if (is_leader && !is_chain) {
      TileState<Aggregate>::publish(
          params.look_back_group == 1
              ? TileStates<M>::group(states, params, chunk)
              : TileStates<M>::tile(states, params, chunk),
          total, params.epoch);
    }
    Prefix state = initial;
    if (!is_chain) {
      state = look_back(task, params, states, chunk, initial, total, in_doubt);
    } else if (task.coord.is_active && chunk != 0) {
      state = carry(states, params, chunk - 1);
    }
    if (unpublished.carry && !Range::may_exit(state, total)) {
      if (unpublished.exit) publish_no_exit(states, params, chunk);
      unpublished.exit = false;
      if (!in_doubt) {
        TileState<Prefix>::publish(TileStates<M>::carry(states, params, chunk),
                                   M::apply(state, total), params.epoch);
        unpublished.carry = false;
      }
    }
    return state;
  }

  // The leader of a line is its last thread: group_scan leaves the line's
  // aggregate there.
  static METAL_FUNC bool is_line_leader(Task<M> task) {
    return task.coord.is_active &&
           task.coord.line_thread == task.thread_layout.line_threads - 1;
  }

  // The first exit of the tiles that the prefix of a chunk's tile takes
  // together. All threads must call it.
  static METAL_FUNC typename Range::RangeExit exit_before(
      Task<M> task, constant ScanParams& params, TileStates<M> states,
      uint chunk) {
    uint far = window_of(params, chunk).far;
    return reduce<EarlierExit<M>>(
        task,
        {TileStates<M>::exit(states, params, far),
         TileStates<M>::chunk_stride(params), 0},
        {TileStates<M>::exit(states, params, far),
         TileStates<M>::chunk_stride(params), chunk - far},
        params.epoch);
  }

 private:
  // The carry after a chunk's tile.
  static METAL_FUNC Prefix carry(TileStates<M> states,
                                 constant ScanParams& params, uint chunk) {
    device uint4* at = TileStates<M>::carry(states, params, chunk);
    return TileState<Prefix>::wait_for(at, TileState<Prefix>::snapshot(at),
                                       params.epoch);
  }

  static METAL_FUNC void publish_no_exit(TileStates<M> states,
                                         constant ScanParams& params,
                                         uint chunk) {
    TileState<typename Range::RangeExit>::publish(
        TileStates<M>::exit(states, params, chunk), Range::no_exit(),
        params.epoch);
  }

  // What makes up the prefix of a chunk's tile.
  struct Window {
    uint far;     // tiles before the first group
    uint group;   // the first of the groups
    uint groups;  // how many
    uint tiles;   // those before the tile in its group
  };

  static METAL_FUNC Window window_of(constant ScanParams& params, uint chunk) {
    uint group_bits = ctz(params.look_back_group);
    uint set_bits = ctz(params.look_back_set);
    uint group = chunk >> group_bits;
    uint set = group >> set_bits;
    uint first = set == 0 ? 0 : (set - 1) << set_bits;
    return {first << group_bits, first, group - first,
            chunk & (params.look_back_group - 1)};
  }

  // The prefix of a tile by groups and sets.
  static METAL_FUNC Prefix look_back(Task<M> task, constant ScanParams& params,
                                     TileStates<M> states, uint chunk,
                                     Prefix initial, Aggregate total,
                                     thread bool& in_doubt) {
    if (chunk == 0) return initial;
    Window window = window_of(params, chunk);
    device uint4* far_carry = TileStates<M>::carry(
        states, params, window.far == 0 ? 0 : window.far - 1);
    bool has_far = task.coord.is_active && window.far != 0;
    typename TileState<Prefix>::Snapshot seen;
    if (has_far) seen = TileState<Prefix>::snapshot(far_carry);
    uint stride =
        TileStates<M>::chunk_stride(params) * TileState<Aggregate>::kVectors;
    StateRun groups = {TileStates<M>::group(states, params, window.group),
                       stride, 0};
    StateRun tiles = {TileStates<M>::tile(states, params, chunk - window.tiles),
                      stride, window.tiles};
    // The last tile of a group of several also publishes the group's aggregate.
    bool closes = params.look_back_group != 1 &&
                  window.tiles == params.look_back_group - 1;
    // Round 0, only in that tile: the group's aggregate. Round 1: everything
    // between the far carry and this tile.
    Aggregate between;
    UPSWEEP_ROLL
    for (uint round = closes ? 0 : 1; round < 2; ++round) {
      groups.count = round == 0 ? 0 : window.groups;
      between = reduce<M>(task, groups, tiles, params.epoch);
      if (round == 0 && is_line_leader(task)) {
        TileState<Aggregate>::publish(
            TileStates<M>::group(states, params, window.group + window.groups),
            M::combine(between, total), params.epoch);
      }
    }
    if (!task.coord.is_active) return initial;
    Prefix state = initial;
    if (has_far)
      state = TileState<Prefix>::wait_for(far_carry, seen, params.epoch);
    in_doubt = Range::may_exit(state, between);
    if (in_doubt && !Range::kExitSuffices) {
      in_doubt = false;
      return carry(states, params, chunk - 1);
    }
    return M::apply(state, between);
  }

  // States of neighbouring tiles or groups.
  struct StateRun {
    device uint4* first;
    uint stride;  // vectors from one to the next
    uint count;

    // The k-th of a run and of the run after it.
    static METAL_FUNC device uint4* at(StateRun early, StateRun late, uint k) {
      bool is_early = k < early.count;
      uint i = is_early ? k : k - early.count;
      StateRun run = is_early ? early : late;
      return run.first + int64_t(i) * run.stride;
    }
  };

  // Combines the states of a run and of the run after it by the monoid X, for
  // all threads of a line, which share the work.
  template <class X>
  static METAL_FUNC typename X::Aggregate reduce(Task<M> task, StateRun early,
                                                 StateRun late, uint epoch) {
    using T = typename X::Aggregate;
    uint threads = task.thread_layout.line_threads;
    uint n = early.count + late.count;
    uint run = (n + threads - 1) >> ctz(threads);
    uint begin =
        task.coord.is_active ? min(task.coord.line_thread * run, n) : n;
    uint end = min(begin + run, n);
    T own = X::identity();
    typename TileState<T>::Snapshot seen;
    if (begin < end) {
      seen = TileState<T>::snapshot(StateRun::at(early, late, begin));
    }
    UPSWEEP_ROLL
    for (uint k = begin; k < begin + run; ++k) {
      T state;
      if (k < end) {
        device uint4* at = StateRun::at(early, late, k);
        state = TileState<T>::wait_for(at, seen, epoch);
      }
      if (k + 1 < end) {
        seen = TileState<T>::snapshot(StateRun::at(early, late, k + 1));
      }
      // Reconverge: threads may have waited for different times.
      simdgroup_barrier(mem_flags::mem_none);
      if (k < end) own = X::combine(own, state);
    }
    // Others may still read simdgroup_aggregates.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return group_total<X>(own, task.thread_layout, task.thread_id,
                          (threadgroup T*)task.shared.simdgroup_aggregates);
  }
};

// Exits of the tile, and of earlier ones if those are in doubt. It publishes
// the tile's, and corrects `state`, the prefix of a thread's items, and `next`,
// the carry after the tile, as RangeExits::resolve does.
template <class M, bool exit_suffices>
struct TileExits {
  using Prefix = typename M::Prefix;
  static_assert(TileState<typename M::RangeExit>::kVectors * 16 <= kExitBytes,
                "kExitBytes is too small for an exit");

  static METAL_FUNC bool resolve(Task<M> task, constant ScanParams& params,
                                 TileStates<M> states, uint chunk,
                                 ThreadItems<M> items, uint span, Prefix carry,
                                 typename M::Aggregate total,
                                 ThreadTotal<M> own, bool in_doubt,
                                 Unpublished unpublished, thread Prefix& state,
                                 thread Prefix& next) {
    using Range = RangeExits<M, true>;
    typename Range::Found found = Range::none();
    bool has_exits =
        Range::find(task, items, carry, total, own, state, in_doubt, found);
    if (unpublished.exit) {
      TileState<typename M::RangeExit>::publish(
          TileStates<M>::exit(states, params, chunk), found.all, params.epoch);
    }
    if (!has_exits) return false;
    typename M::RangeExit entering = M::exit_of_carry(carry);
    if (chunk != 0 && params.look_back_set != 1) {
      typename M::RangeExit earlier =
          LookBack<M>::exit_before(task, params, states, chunk);
      // Without a doubt, the line may have left the range before the window.
      // Then the exits published in the window never happened.
      if (in_doubt) entering = EarlierExit<M>::combine(entering, earlier);
    }
    Range::resume(items, span, entering, found, state, next);
    return true;
  }
};
template <class M>
struct TileExits<M, false> {
  using Prefix = typename M::Prefix;
  static METAL_FUNC bool resolve(Task<M> task, constant ScanParams&,
                                 TileStates<M>, uint, ThreadItems<M> items,
                                 uint span, Prefix carry,
                                 typename M::Aggregate total,
                                 ThreadTotal<M> own, bool, Unpublished,
                                 thread Prefix& state, thread Prefix& next) {
    return RangeExits<M, M::kCanExitRange>::resolve(task, items, span, carry,
                                                    total, own, state, next);
  }
};

// Scans one tile of a panel, or computes the totals of a chunk.
template <class M>
METAL_FUNC void scan_tile(Task<M> task, constant ScanParams& params, uint chunk,
                          TileStates<M> states) {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  int64_t first = int64_t(chunk) * params.tiles * params.span;
  uint span;
  ThreadItems<M> items;
  ThreadTotal<M> own;
  Aggregate total = M::identity();
  ScanResult<M> scanned;
  // Only for totals is there more than one tile.
  UPSWEEP_ROLL
  for (uint t = 1;; ++t) {
    span = uint(min(params.length.extent - first, int64_t(params.span)));
    items = load_tile(task, params, first, span);
    own = ThreadScan<M>::reduce(items);
    scanned = group_scan<M>(own.total, task.thread_layout, task.thread_id,
                            task.shared.simdgroup_aggregates);
    if (t == params.tiles || first + span == params.length.extent) break;
    total = M::combine(total, scanned.total);
    first += span;
  }
  bool is_leader = LookBack<M>::is_line_leader(task);
  if (params.gives == kGivesTotals) {
    if (is_leader) {
      total = M::combine(total, scanned.total);
      CarryOutput<M>::store(task, params, chunk, M::initial(), total);
    }
    return;
  }
  Prefix carry = initial_prefix(task, params);
  using Range = RangeExits<M, M::kCanExitRange>;
  bool publishes = is_leader && chunk != params.chunks - 1;
  Unpublished unpublished = {publishes, publishes && Range::kExitSuffices &&
                                            params.look_back_set != 1};
  bool in_doubt = false;
  if (params.chunks != 1) {
    carry = LookBack<M>::prefix_of_tile(task, params, states, chunk, carry,
                                        scanned.total, unpublished, in_doubt);
  }
  if (chunk == 0) store_initial(task, params, carry);
  Prefix state = M::apply(carry, scanned.before);
  Prefix next = state;
  if (unpublished.carry || (is_leader && params.gives == kGivesCarries)) {
    next = M::apply(carry, scanned.total);
  }
  bool has_exits = TileExits<M, Range::kExitSuffices>::resolve(
      task, params, states, chunk, items, span, carry, scanned.total, own,
      in_doubt, unpublished, state, next);
  if (unpublished.carry)
    TileState<Prefix>::publish(TileStates<M>::carry(states, params, chunk),
                               next, params.epoch);
  if (params.gives == kGivesCarries) {
    if (is_leader) {
      CarryOutput<M>::store(task, params, chunk, next, scanned.total);
    }
    return;
  }
  finish_tile(task, params, first, span, items, has_exits, state, own);
}

}  // namespace upsweep
