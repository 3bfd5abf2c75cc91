// Look-back: a scan in a single pass, for devices that guarantee progress to
// threadgroups that have started (decoupled look-back, as in CUB).
//
// A threadgroup takes a ticket and scans one tile. Tickets go through chunk 0
// of all panels, then chunk 1, and so on, so that predecessors have usually
// finished. A threadgroup publishes the carry after its tile.
//
// Which published values make up the prefix of a tile depends only on the radix
// r (params.look_back_radix), never on timing, so equal inputs give equal bits.
// With r = 1 the prefix is the carry after the previous tile. With few lines
// that chain is too slow, and r is larger: r tiles form a group, r groups form
// a set, and the prefix of a tile is
//
//   the carry after the last set but one (two sets before the tile's own)
//     · aggregates of the groups from there to the tile's group
//     · aggregates of the earlier tiles of its group
//
// Each tile publishes its aggregate, and the last tile of a group also
// publishes the group's. If a result may leave the range of the dtype on the
// way, the tile waits for the carry after its predecessor instead: only a scan
// can determine it.
#pragma once

namespace upsweep {

// A value that one threadgroup publishes to others, as vectors of three words
// and a flag, the epoch of the launch. Memory is not cleared between launches:
// a flag is 0, the epoch of a launch before, or that of this one. The last word
// of a vector is its flag whatever the layout, so no data of another launch is
// ever taken for one. A vector is stored and loaded atomically, so no fence is
// needed. Unused words hold the epoch too and are compared, because a compiler
// could split a load if it used only some of its words; they decide nothing.
template <class T>
struct TileState {
  static constant constexpr uint kWords = sizeof(T) / 4;
  static constant constexpr uint kVectors = (kWords + 2) / 3;

  // What a thread has loaded of a state.
  struct Snapshot {
    uint4 vector[kVectors];
  };

  static METAL_FUNC void publish(device uint4* at, T value, uint epoch) {
    Words words = as_type<Words>(value);
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      store_tile_state(
          at + v, uint4(get(words, 3 * v, epoch), get(words, 3 * v + 1, epoch),
                        get(words, 3 * v + 2, epoch), epoch));
    }
  }

  static METAL_FUNC Snapshot snapshot(device uint4* at) {
    Snapshot seen;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v)
      seen.vector[v] = load_tile_state(at + v);
    return seen;
  }

  static METAL_FUNC T wait_for(device uint4* at, Snapshot seen, uint epoch) {
    Words words;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      while (!is_complete(seen.vector[v], v, epoch))
        seen.vector[v] = load_tile_state(at + v);
      put(words, 3 * v, seen.vector[v].x);
      put(words, 3 * v + 1, seen.vector[v].y);
      put(words, 3 * v + 2, seen.vector[v].z);
    }
    return as_type<T>(words);
  }

 private:
  struct Words {
    uint word[kWords];
  };
  static METAL_FUNC uint get(Words words, uint i, uint epoch) {
    return i < kWords ? words.word[i] : epoch;
  }
  static METAL_FUNC void put(thread Words& words, uint i, uint word) {
    if (i < kWords) words.word[i] = word;
  }
  static METAL_FUNC bool is_complete(uint4 vector, uint v, uint epoch) {
    return vector.w == epoch && (3 * v + 1 < kWords || vector.y == epoch) &&
           (3 * v + 2 < kWords || vector.z == epoch);
  }
};

// The states of a panel's lines, as one thread sees them.
template <class M>
struct TileStates {
  using Aggregate = typename M::Aggregate;
  using Prefix = typename M::Prefix;
  static constant constexpr uint kBytes =
      tile_state_bytes(sizeof(typename M::Value)) + Resets<M>::kBytes;
  static_assert(TileState<Aggregate>::kVectors * 16 <= kBytes &&
                    TileState<Prefix>::kVectors * 16 <= kBytes,
                "tile_state_bytes is too small for a state");

  device uint4* carries;
  device uint4* tiles;
  device uint4* groups;
  uint chunk_stride;  // states from one chunk to the next
  uint epoch;

  static METAL_FUNC TileStates of(device uint4* data,
                                  constant ScanParams& params, uint panel,
                                  uint column) {
    uint chunk_stride = params.panels * params.width;
    device uint4* tiles = at<Prefix>(data, params.chunks * chunk_stride);
    device uint4* groups = at<Aggregate>(tiles, params.chunks * chunk_stride);
    uint first = panel * params.width + column;
    return {at<Prefix>(data, first), at<Aggregate>(tiles, first),
            at<Aggregate>(groups, first), chunk_stride, params.epoch};
  }

  static METAL_FUNC device uint4* carry(TileStates states, uint chunk) {
    return at<Prefix>(states.carries, chunk * states.chunk_stride);
  }
  static METAL_FUNC device uint4* tile(TileStates states, uint chunk) {
    return at<Aggregate>(states.tiles, chunk * states.chunk_stride);
  }
  static METAL_FUNC device uint4* group(TileStates states, uint group) {
    return at<Aggregate>(states.groups, group * states.chunk_stride);
  }

 private:
  // There are fewer than 2^32 states of a kind.
  template <class T>
  static METAL_FUNC device uint4* at(device uint4* first, uint i) {
    return first + int64_t(i) * TileState<T>::kVectors;
  }
};

template <class M>
struct LookBack {
  using Aggregate = typename M::Aggregate;
  using Prefix = typename M::Prefix;

  // The prefix of a chunk's tile. `initial` is the prefix of the line, and
  // `total` the aggregate of this thread's line within the tile. All threads
  // must call it. The leader of a line publishes the carry after the tile here
  // if no result can leave the range within the tile.
  static METAL_FUNC Prefix prefix_of_tile(Task<M> task,
                                          constant ScanParams& params,
                                          TileStates<M> states, uint chunk,
                                          Prefix initial, Aggregate total,
                                          thread bool& must_publish) {
    bool is_leader = is_line_leader(task);
    if (is_leader && params.look_back_radix != 1) {
      TileState<Aggregate>::publish(TileStates<M>::tile(states, chunk), total,
                                    states.epoch);
    }
    Prefix state = initial;
    if (params.look_back_radix == 1) {
      if (is_leader && chunk != 0) state = carry(states, chunk - 1);
    } else {
      state = look_back(task, params, states, chunk, initial, total, is_leader);
    }
    if (must_publish &&
        !RangeExits<M, M::kCanExitRange>::may_exit(state, total)) {
      TileState<Prefix>::publish(TileStates<M>::carry(states, chunk),
                                 M::apply(state, total), states.epoch);
      must_publish = false;
    }
    // Share the prefixes, once simdgroup_aggregates is free.
    threadgroup Prefix* shared_prefixes =
        (threadgroup Prefix*)task.shared.simdgroup_aggregates;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (is_leader) shared_prefixes[task.coord.column] = state;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return task.coord.is_active ? Prefix(shared_prefixes[task.coord.column])
                                : M::initial();
  }

  // The leader of a line is its last thread: group_scan leaves the line's
  // aggregate there.
  static METAL_FUNC bool is_line_leader(Task<M> task) {
    return task.coord.is_active &&
           task.coord.line_thread == task.thread_layout.line_threads - 1;
  }

 private:
  // The last threads of each line look back: at least this many, and more if
  // that fills a simdgroup.
  static constant constexpr uint kLookBackThreads = 8;
  // States that a thread loads before it waits for the first.
  static constant constexpr uint kBatch = 2;

  // The carry after a chunk's tile.
  static METAL_FUNC Prefix carry(TileStates<M> states, uint chunk) {
    device uint4* at = TileStates<M>::carry(states, chunk);
    return TileState<Prefix>::wait_for(at, TileState<Prefix>::snapshot(at),
                                       states.epoch);
  }

  // The prefix of a tile by groups and sets; only the leader of a line gets
  // it. If one simdgroup has all threads that look back, the others return at
  // once.
  static METAL_FUNC Prefix look_back(Task<M> task, constant ScanParams& params,
                                     TileStates<M> states, uint chunk,
                                     Prefix initial, Aggregate total,
                                     bool is_leader) {
    uint columns = task.thread_layout.column_threads;
    uint threads = min(task.thread_layout.line_threads,
                       max(kLookBackThreads, kSimd / min(columns, kSimd)));
    uint skipped = task.thread_layout.line_threads - threads;
    LookBackTeam team = {
        {columns, threads},
        skipped,
        task.thread_id.simdgroup >= skipped * columns / kSimd,
        task.coord.is_active && task.coord.line_thread >= skipped};
    Prefix state = initial;
    if (columns * threads <= kSimd && !team.simdgroup_takes_part) return state;
    uint bits = ctz(params.look_back_radix);
    uint in_group = chunk & (params.look_back_radix - 1);
    uint group = chunk >> bits;
    uint set = group >> bits;
    // Groups of the previous set and of this one.
    uint near = group - (set == 0 ? 0 : (set - 1) << bits);
    uint far = (group - near) << bits;  // tiles before those
    device uint4* far_carry =
        TileStates<M>::carry(states, far == 0 ? 0 : far - 1);
    typename TileState<Prefix>::Snapshot seen;
    if (is_leader && far != 0) seen = TileState<Prefix>::snapshot(far_carry);
    // The last tile of a group also publishes the group's aggregate.
    bool closes = in_group == params.look_back_radix - 1;
    // Round 0, only in that tile: the group's aggregate. Round 1: everything
    // between the far carry and this tile.
    Aggregate between;
    UPSWEEP_ROLL
    for (uint round = closes ? 0 : 1; round < 2; ++round) {
      uint groups = round == 0 ? 0 : near;
      between = reduce(task, states, team, group, groups, chunk, in_group);
      if (is_leader && round == 0) {
        TileState<Aggregate>::publish(TileStates<M>::group(states, group),
                                      M::combine(between, total), states.epoch);
      }
    }
    if (!is_leader) return state;
    if (far != 0)
      state = TileState<Prefix>::wait_for(far_carry, seen, states.epoch);
    if (near + in_group == 0) return state;
    return RangeExits<M, M::kCanExitRange>::may_exit(state, between)
               ? carry(states, chunk - 1)
               : M::apply(state, between);
  }

  // The threads that look back.
  struct LookBackTeam {
    ThreadLayout thread_layout;
    uint skipped;  // threads of a line that do not look back
    bool simdgroup_takes_part;
    bool takes_part;  // this thread
  };

  // Combines the `groups` groups before a group and the `tiles` tiles before a
  // chunk's tile. The team shares the work; the last thread of a line gets the
  // result.
  static METAL_FUNC Aggregate reduce(Task<M> task, TileStates<M> states,
                                     LookBackTeam team, uint group, uint groups,
                                     uint chunk, uint tiles) {
    uint threads = team.thread_layout.line_threads;
    uint n = groups + tiles;
    uint run = (n + threads - 1) >> ctz(threads);
    uint begin = team.takes_part
                     ? min((task.coord.line_thread - team.skipped) * run, n)
                     : n;
    uint end = min(begin + run, n);
    Aggregate own = M::identity();
    UPSWEEP_ROLL
    for (uint r = 0; r < run; r += kBatch) {
      device uint4* at[kBatch];
      typename TileState<Aggregate>::Snapshot seen[kBatch];
      UPSWEEP_UNROLL
      for (uint b = 0; b < kBatch; ++b) {
        uint k = begin + r + b;
        at[b] = k < groups ? TileStates<M>::group(states, group - groups + k)
                           : TileStates<M>::tile(states, chunk - n + k);
        if (k < end) seen[b] = TileState<Aggregate>::snapshot(at[b]);
      }
      UPSWEEP_UNROLL
      for (uint b = 0; b < kBatch; ++b) {
        bool counts = begin + r + b < end;
        Aggregate total;
        if (counts) {
          total = TileState<Aggregate>::wait_for(at[b], seen[b], states.epoch);
        }
        // Reconverge: threads may have waited for different times.
        simdgroup_barrier(mem_flags::mem_none);
        if (counts) own = M::combine(own, total);
      }
    }
    if (team.thread_layout.column_threads * threads <= kSimd) {
      simd_scan<M>(own, team.thread_layout, task.thread_id.lane);
      return own;
    }
    // Others may still read simdgroup_aggregates.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return group_scan<M>(own, team.thread_layout, task.thread_id,
                         task.shared.simdgroup_aggregates,
                         team.simdgroup_takes_part)
        .total;
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
  bool is_fast;
  Aggregate own, total = M::identity();
  ScanResult<M> scanned;
  // Only for totals is there more than one tile.
  UPSWEEP_ROLL
  for (uint t = 1;; ++t) {
    span = uint(min(params.length.extent - first, int64_t(params.span)));
    items = load_tile(task, params, first, span);
    own = ThreadScan<M>::reduce(items, is_fast);
    scanned = group_scan<M>(own, task.thread_layout, task.thread_id,
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
  bool must_publish = is_leader && chunk != params.chunks - 1;
  if (params.chunks != 1) {
    carry = LookBack<M>::prefix_of_tile(task, params, states, chunk, carry,
                                        scanned.total, must_publish);
  }
  if (chunk == 0) store_initial(task, params, carry);
  Prefix state = M::apply(carry, scanned.before);
  Prefix next = state;
  if (must_publish || (is_leader && params.gives == kGivesCarries)) {
    next = M::apply(carry, scanned.total);
  }
  bool has_exits = RangeExits<M, M::kCanExitRange>::resolve(
      task, items, span, carry, own, state, next);
  if (must_publish)
    TileState<Prefix>::publish(TileStates<M>::carry(states, chunk), next,
                               states.epoch);
  if (params.gives == kGivesCarries) {
    if (is_leader) {
      CarryOutput<M>::store(task, params, chunk, next, scanned.total);
    }
    return;
  }
  finish_tile(task, params, first, span, items, has_exits, state, own, is_fast);
}

}  // namespace upsweep
