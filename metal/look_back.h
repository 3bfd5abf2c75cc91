// Look-back: scans in a single pass, on devices where a threadgroup that has
// begun goes on while others wait for it.
//
// A threadgroup scans one tile, and takes its turn by a ticket: whoever has an
// earlier turn has begun. Turns go through all panels before the next chunk, so
// that what comes before a tile has mostly been done long ago. It states the
// carry behind its tile. What enters the tile is found in a way that depends on
// params.look_back_radix only, not on what others have got to, so that equal
// inputs have equal bits. With a fan of 1, that is the carry behind the tile
// before. Lines too few for that to be quick have a larger fan: `fan` tiles are
// a group, `fan` groups a set, and what enters a tile is
//
//   the carry behind the set before the last one
//     · totals of the groups in the last set, and before it in its own
//     · totals of the tiles before it in the group
//
// so that the carry has mostly been there for a while. Each tile states its
// total, and the last one of a group that of the group. Where results may leave
// the range of the dtype on the way, the carry behind the tile just before is
// waited for instead: what that is, only a scan can tell.
#pragma once

namespace upsweep {

// A value that one threadgroup states for others, in vectors of three words and
// a flag, which is 0 before. A vector is stored and loaded as a whole, and
// there is nothing else to be put in order. Words that the value leaves over
// are flags as well, for a load of which only a items is used might be
// load_layout apart.
template <class T>
struct TileState {
  static constant constexpr uint kWords = sizeof(T) / 4;
  static constant constexpr uint kVectors = (kWords + 2) / 3;

  // What has been seen of a post.
  struct Snapshot {
    uint4 vector[kVectors];
  };

  static METAL_FUNC void publish(device uint4* at, T value) {
    Words words = as_type<Words>(value);
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      store_tile_state(at + v, uint4(get(words, 3 * v), get(words, 3 * v + 1),
                                     get(words, 3 * v + 2), 1));
    }
  }

  static METAL_FUNC Snapshot snapshot(device uint4* at) {
    Snapshot seen;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v)
      seen.vector[v] = load_tile_state(at + v);
    return seen;
  }

  static METAL_FUNC T wait_for(device uint4* at, Snapshot seen) {
    Words words;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      while (!is_complete(seen.vector[v], v))
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
  static METAL_FUNC uint get(Words words, uint i) {
    return i < kWords ? words.word[i] : 1;
  }
  static METAL_FUNC void put(thread Words& words, uint i, uint word) {
    if (i < kWords) words.word[i] = word;
  }
  static METAL_FUNC bool is_complete(uint4 vector, uint v) {
    return vector.w != 0 && (3 * v + 1 < kWords || vector.y != 0) &&
           (3 * v + 2 < kWords || vector.z != 0);
  }
};

// The states of a panel's lines, as one thread sees them.
template <class M>
struct TileStates {
  using Aggregate = typename M::Aggregate;
  using Prefix = typename M::Prefix;
  static_assert(TileState<Aggregate>::kVectors * 16 <=
                        tile_state_bytes(sizeof(typename M::Value)) &&
                    TileState<Prefix>::kVectors * 16 <=
                        tile_state_bytes(sizeof(typename M::Value)),
                "room for a post");

  device uint4* carries;
  device uint4* tiles;
  device uint4* groups;
  uint apart;  // states of neighbouring chunks

  static METAL_FUNC TileStates of(device uint4* data,
                                  constant ScanParams& params, uint panel,
                                  uint column) {
    uint apart = params.panels * params.width;
    device uint4* tiles = at<Prefix>(data, params.chunks * apart);
    device uint4* groups = at<Aggregate>(tiles, params.chunks * apart);
    uint first = panel * params.width + column;
    return {at<Prefix>(data, first), at<Aggregate>(tiles, first),
            at<Aggregate>(groups, first), apart};
  }

  static METAL_FUNC device uint4* carry(TileStates states, uint chunk) {
    return at<Prefix>(states.carries, chunk * states.apart);
  }
  static METAL_FUNC device uint4* tile(TileStates states, uint chunk) {
    return at<Aggregate>(states.tiles, chunk * states.apart);
  }
  static METAL_FUNC device uint4* group(TileStates states, uint group) {
    return at<Aggregate>(states.groups, group * states.apart);
  }

 private:
  // There are less than 2^32 states of a kind.
  template <class T>
  static METAL_FUNC device uint4* at(device uint4* first, uint i) {
    return first + int64_t(i) * TileState<T>::kVectors;
  }
};

template <class M>
struct LookBack {
  using Aggregate = typename M::Aggregate;
  using Prefix = typename M::Prefix;

  // What enters a chunk's tile, in which a thread's line has the given total.
  // All threads call it. The carry behind the tile, which whoever is_leader for
  // a line must_publish the others, is posted if no result can leave the range
  // within the tile.
  static METAL_FUNC Prefix prefix_of_tile(Task<M> task,
                                          constant ScanParams& params,
                                          TileStates<M> states, uint chunk,
                                          Aggregate total,
                                          thread bool& must_publish) {
    bool is_leader = is_line_leader(task);
    if (is_leader && params.look_back_radix != 1) {
      TileState<Aggregate>::publish(TileStates<M>::tile(states, chunk), total);
    }
    Prefix state = M::initial();
    if (params.look_back_radix == 1) {
      if (is_leader && chunk != 0) state = carry(states, chunk - 1);
    } else {
      state = look_back(task, params, states, chunk, total, is_leader);
    }
    if (must_publish &&
        !RangeExits<M, M::kCanExitRange>::may_exit(state, total)) {
      TileState<Prefix>::publish(TileStates<M>::carry(states, chunk),
                                 M::apply(state, total));
      must_publish = false;
    }
    // It tells the others by the warp_aggregates, when these are free.
    threadgroup Prefix* shared_prefixes =
        (threadgroup Prefix*)task.shared.warp_aggregates;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (is_leader) shared_prefixes[task.coord.column] = state;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return task.coord.is_active ? Prefix(shared_prefixes[task.coord.column])
                                : M::initial();
  }

  // A line's last thread knows what all of it comes to.
  static METAL_FUNC bool is_line_leader(Task<M> task) {
    return task.coord.is_active &&
           task.coord.line_thread == task.thread_layout.line_threads - 1;
  }

 private:
  // Threads of a line that team back, its last ones, and at least so many that
  // they fill a simdgroup.
  static constant constexpr uint kLookBackThreads = 8;
  // TileStates that a thread looks at before it waits for the first of them.
  static constant constexpr uint kBatch = 2;

  // The carry behind a chunk's tile.
  static METAL_FUNC Prefix carry(TileStates<M> states, uint chunk) {
    device uint4* at = TileStates<M>::carry(states, chunk);
    return TileState<Prefix>::wait_for(at, TileState<Prefix>::snapshot(at));
  }

  // What enters a tile by groups and sets: whoever is_leader for a line gets to
  // know. Lines whose threads that team back are in one simdgroup leave the
  // other ones alone.
  static METAL_FUNC Prefix look_back(Task<M> task, constant ScanParams& params,
                                     TileStates<M> states, uint chunk,
                                     Aggregate total, bool is_leader) {
    uint columns = task.thread_layout.column_threads;
    uint threads = min(task.thread_layout.line_threads,
                       max(kLookBackThreads, kSimd / min(columns, kSimd)));
    uint skipped = task.thread_layout.line_threads - threads;
    LookBackTeam team = {
        {columns, threads},
        skipped,
        task.thread_id.simdgroup >= skipped * columns / kSimd,
        task.coord.is_active && task.coord.line_thread >= skipped};
    Prefix state = M::initial();
    if (columns * threads <= kSimd && !team.simdgroup) return state;
    uint bits = ctz(params.look_back_radix);
    uint in_group = chunk & (params.look_back_radix - 1);
    uint group = chunk >> bits;
    uint set = group >> bits;
    // Of groups, the set before and this one.
    uint near = group - (set == 0 ? 0 : (set - 1) << bits);
    uint far = (group - near) << bits;  // tiles before those
    device uint4* behind = TileStates<M>::carry(states, far == 0 ? 0 : far - 1);
    typename TileState<Prefix>::Snapshot seen;
    if (is_leader && far != 0) seen = TileState<Prefix>::snapshot(behind);
    // A group's last tile folds the group before all that comes before itself.
    bool closes = in_group == params.look_back_radix - 1;
    Aggregate between;
    UPSWEEP_ROLL
    for (uint round = closes ? 0 : 1; round < 2; ++round) {
      uint groups = round == 0 ? 0 : near;
      between = reduce(task, states, team, group, groups, chunk, in_group);
      if (is_leader && round == 0) {
        TileState<Aggregate>::publish(TileStates<M>::group(states, group),
                                      M::combine(between, total));
      }
    }
    if (!is_leader) return state;
    if (far != 0) state = TileState<Prefix>::wait_for(behind, seen);
    if (near + in_group == 0) return state;
    return RangeExits<M, M::kCanExitRange>::may_exit(state, between)
               ? carry(states, chunk - 1)
               : M::apply(state, between);
  }

  // Who looks back.
  struct LookBackTeam {
    ThreadLayout thread_layout;
    uint skipped;    // threads of a line that do not
    bool simdgroup;  // whether any thread of this one does
    bool self;
  };

  // The totals of the `groups` groups before a group and of the `tiles` tiles
  // before a chunk's, which are shared out among the threads that team back.
  // The last one of a line gets to know.
  static METAL_FUNC Aggregate reduce(Task<M> task, TileStates<M> states,
                                     LookBackTeam team, uint group, uint groups,
                                     uint chunk, uint tiles) {
    uint threads = team.thread_layout.line_threads;
    uint n = groups + tiles;
    uint run = (n + threads - 1) >> ctz(threads);
    uint begin =
        team.self ? min((task.coord.line_thread - team.skipped) * run, n) : n;
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
        if (counts) total = TileState<Aggregate>::wait_for(at[b], seen[b]);
        // Threads that have waited for different times go on together.
        simdgroup_barrier(mem_flags::mem_none);
        if (counts) own = M::combine(own, total);
      }
    }
    if (team.thread_layout.column_threads * threads <= kSimd) {
      simd_scan<M>(own, team.thread_layout, task.thread_id.lane);
      return own;
    }
    // The warp_aggregates may still be looked at.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return group_scan<M>(own, team.thread_layout, task.thread_id,
                         task.shared.warp_aggregates, team.simdgroup)
        .total;
  }
};

// Scans one tile of a panel.
template <class M>
METAL_FUNC void scan_tile(Task<M> task, constant ScanParams& params, uint chunk,
                          TileStates<M> states) {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  int64_t first = int64_t(chunk) * params.span;
  uint span = uint(min(params.length.extent - first, int64_t(params.span)));
  ThreadItems<M> items = load_tile(task, params, first, span);
  bool is_fast;
  Aggregate own = ThreadScan<M>::reduce(items, is_fast);
  ScanResult<M> scanned = group_scan<M>(own, task.thread_layout, task.thread_id,
                                        task.shared.warp_aggregates);
  Prefix carry = M::initial();
  bool must_publish =
      chunk != params.chunks - 1 && LookBack<M>::is_line_leader(task);
  if (params.chunks != 1) {
    carry = LookBack<M>::prefix_of_tile(task, params, states, chunk,
                                        scanned.total, must_publish);
  }
  Prefix state = M::apply(carry, scanned.before);
  Prefix next = state;
  if (must_publish) next = M::apply(carry, scanned.total);
  bool has_exits = RangeExits<M, M::kCanExitRange>::resolve(
      task, items, span, carry, own, state, next);
  if (must_publish)
    TileState<Prefix>::publish(TileStates<M>::carry(states, chunk), next);
  finish_tile(task, params, first, span, items, has_exits, state, own, is_fast);
}

}  // namespace upsweep
