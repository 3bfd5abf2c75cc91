// Look-back: scans in a single pass, on devices where a threadgroup that has
// begun goes on while others wait for it.
//
// A threadgroup scans one tile, and takes its turn by a ticket: whoever has an
// earlier turn has begun. Turns go through all panels before the next chunk, so
// that what comes before a tile has mostly been done long ago. It posts the
// carry behind its tile. What enters the tile is found in a way that depends on
// params.fan only, not on what others have got to, so that equal inputs have
// equal bits. With a fan of 1, that is the carry behind the tile before. Lines
// too few for that to be quick have a larger fan: `fan` tiles are a group,
// `fan` groups a set, and what enters a tile is
//
//   the carry behind the set before · totals of the groups before it in the set
//                                   · totals of the tiles before it in the
//                                   group
//
// where each tile posts its total, and the last one of a group that of the
// group. Where results may leave the range of the dtype on the way, the carry
// behind the tile just before is waited for instead: what that is, only a scan
// can tell.
#pragma once

namespace upsweep {

// A value that one threadgroup posts for others, in vectors of three words and
// a flag, which is 0 before. A vector is stored and loaded as a whole, and
// there is nothing else to be put in order. Words that the value leaves over
// are flags as well, for a load of which only a part is used might be taken
// apart.
template <class T>
struct Post {
  static constant constexpr uint kWords = sizeof(T) / 4;
  static constant constexpr uint kVectors = (kWords + 2) / 3;

  // What has been seen of a post.
  struct Glance {
    uint4 vector[kVectors];
  };

  static METAL_FUNC void put(device uint4* at, T value) {
    Words words = as_type<Words>(value);
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      store_post(at + v, uint4(get(words, 3 * v), get(words, 3 * v + 1),
                               get(words, 3 * v + 2), 1));
    }
  }

  static METAL_FUNC Glance glance(device uint4* at) {
    Glance seen;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) seen.vector[v] = load_post(at + v);
    return seen;
  }

  static METAL_FUNC T wait_for(device uint4* at, Glance seen) {
    Words words;
    UPSWEEP_UNROLL
    for (uint v = 0; v < kVectors; ++v) {
      while (!is_there(seen.vector[v], v)) seen.vector[v] = load_post(at + v);
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
  static METAL_FUNC bool is_there(uint4 vector, uint v) {
    return vector.w != 0 && (3 * v + 1 < kWords || vector.y != 0) &&
           (3 * v + 2 < kWords || vector.z != 0);
  }
};

// The posts of a panel's lines, as one thread sees them.
template <class M>
struct Posts {
  using Total = typename M::Total;
  using State = typename M::State;
  static_assert(Post<Total>::kVectors * 16 <=
                        post_bytes(sizeof(typename M::Value)) &&
                    Post<State>::kVectors * 16 <=
                        post_bytes(sizeof(typename M::Value)),
                "room for a post");

  device uint4* carries;
  device uint4* tiles;
  device uint4* groups;
  uint apart;  // posts of neighbouring chunks

  static METAL_FUNC Posts of(device uint4* data, constant ScanParams& params,
                             uint panel, uint lane) {
    uint apart = params.panels * params.width;
    device uint4* tiles =
        data + int64_t(params.chunks) * apart * Post<State>::kVectors;
    device uint4* groups =
        tiles + int64_t(params.chunks) * apart * Post<Total>::kVectors;
    uint first = panel * params.width + lane;
    return {data + int64_t(first) * Post<State>::kVectors,
            tiles + int64_t(first) * Post<Total>::kVectors,
            groups + int64_t(first) * Post<Total>::kVectors, apart};
  }

  static METAL_FUNC device uint4* carry(Posts posts, uint chunk) {
    return posts.carries + int64_t(chunk) * posts.apart * Post<State>::kVectors;
  }
  static METAL_FUNC device uint4* tile(Posts posts, uint chunk) {
    return posts.tiles + int64_t(chunk) * posts.apart * Post<Total>::kVectors;
  }
  static METAL_FUNC device uint4* group(Posts posts, uint group) {
    return posts.groups + int64_t(group) * posts.apart * Post<Total>::kVectors;
  }
};

template <class M>
struct LookBack {
  using Total = typename M::Total;
  using State = typename M::State;

  // What enters a chunk's tile, in which a thread's part has the total `own`
  // and what is before it in its line `before`. All threads call it.
  static METAL_FUNC State entering(Task<M> task, constant ScanParams& params,
                                   Posts<M> posts, uint chunk, Total before,
                                   Total own) {
    bool speaks = speaks_for_line(task);
    if (params.fan == 1) {
      bool waits = task.seat.used && chunk != 0;
      return waits ? carry(posts, chunk - 1) : M::start();
    }
    uint in_group = chunk % params.fan;
    uint group = chunk / params.fan;
    uint in_set = group % params.fan;
    Total total = M::join(before, own);
    if (speaks) Post<Total>::put(Posts<M>::tile(posts, chunk), total);
    // A group's last tile folds the group before all that comes before itself.
    bool closes = in_group == params.fan - 1;
    Total between;
    UPSWEEP_ROLL
    for (uint round = closes ? 0 : 1; round < 2; ++round) {
      uint groups = round == 0 ? 0 : in_set;
      between = fold(task, posts, group, groups, chunk, in_group);
      if (speaks && round == 0) {
        Post<Total>::put(Posts<M>::group(posts, group),
                         M::join(between, total));
      }
    }
    State state = M::start();
    if (speaks) {
      uint set = chunk - in_group - in_set * params.fan;
      if (set != 0) state = carry(posts, set - 1);
      if (in_group + in_set != 0) {
        state = Exits<M, M::kExits>::possible(state, between)
                    ? carry(posts, chunk - 1)
                    : M::after(state, between);
      }
    }
    // It tells the others by the slots, when these are free.
    threadgroup State* told = (threadgroup State*)task.shared.slots;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (speaks) told[task.seat.lane] = state;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return task.seat.used ? State(told[task.seat.lane]) : M::start();
  }

  // A line's last thread knows what all of it comes to.
  static METAL_FUNC bool speaks_for_line(Task<M> task) {
    return task.seat.used && task.seat.place == task.spread.line_threads - 1;
  }

 private:
  // Threads of a line that look back, its last ones, and at least so many that
  // they fill a simdgroup.
  static constant constexpr uint kPlaces = 8;
  // Posts that a thread looks at before it waits for the first of them.
  static constant constexpr uint kBatch = 2;

  // The carry behind a chunk's tile.
  static METAL_FUNC State carry(Posts<M> posts, uint chunk) {
    device uint4* at = Posts<M>::carry(posts, chunk);
    return Post<State>::wait_for(at, Post<State>::glance(at));
  }

  // The totals of the `groups` groups before a group and of the `tiles` tiles
  // before a chunk's, which are shared out among the threads that look back.
  // They get to know.
  static METAL_FUNC Total fold(Task<M> task, Posts<M> posts, uint group,
                               uint groups, uint chunk, uint tiles) {
    uint lanes = task.spread.lane_threads;
    uint places =
        min(task.spread.line_threads, max(kPlaces, kSimd / min(lanes, kSimd)));
    uint skipped = task.spread.line_threads - places;
    bool looks = task.seat.used && task.seat.place >= skipped;
    uint n = groups + tiles;
    uint run = (n + places - 1) / places;
    uint begin = looks ? min((task.seat.place - skipped) * run, n) : n;
    uint end = min(begin + run, n);
    Total own = M::none();
    for (uint i = begin; i < end; i += kBatch) {
      device uint4* at[kBatch];
      typename Post<Total>::Glance seen[kBatch];
      UPSWEEP_UNROLL
      for (uint b = 0; b < kBatch; ++b) {
        // Beyond the last one, that one again, which nobody uses.
        uint k = min(i + b, end - 1);
        at[b] = k < groups ? Posts<M>::group(posts, group - groups + k)
                           : Posts<M>::tile(posts, chunk - n + k);
        seen[b] = Post<Total>::glance(at[b]);
      }
      UPSWEEP_UNROLL
      for (uint b = 0; b < kBatch; ++b) {
        if (i + b < end) {
          own = M::join(own, Post<Total>::wait_for(at[b], seen[b]));
        }
      }
    }
    // The slots may still be looked at.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint first = skipped * lanes / kSimd;  // simdgroup that looks back
    return group_scan<M>(own, {lanes, places}, task.thread_at,
                         task.shared.slots, task.thread_at.simdgroup >= first)
        .total;
  }
};

// Scans one tile of a panel.
template <class M>
METAL_FUNC void scan_linked(Task<M> task, constant ScanParams& params,
                            uint chunk, Posts<M> posts) {
  using State = typename M::State;
  using Total = typename M::Total;
  int64_t first = int64_t(chunk) * params.span;
  uint span = uint(min(params.length.extent - first, int64_t(params.span)));
  Spot<M> spot = load_tile(task, params, first, span);
  bool came_quick;
  Total own = Quick<M, M::kQuick>::fold(read_part(spot), came_quick);
  Total before =
      group_scan<M>(own, task.spread, task.thread_at, task.shared.slots).before;
  State carry = M::start();
  if (params.chunks != 1) {
    carry = LookBack<M>::entering(task, params, posts, chunk, before, own);
  }
  State state = M::after(carry, before);
  State next = M::after(state, own);
  bool steps =
      Exits<M, M::kExits>::settle(task, spot, span, carry, own, state, next);
  if (chunk != params.chunks - 1 && LookBack<M>::speaks_for_line(task)) {
    Post<State>::put(Posts<M>::carry(posts, chunk), next);
  }
  bool inclusive = params.inclusive != 0;
  Part<M> part = read_part(spot);
  part = steps ? Exits<M, M::kExits>::results(part, state, inclusive)
               : Quick<M, M::kQuick>::results(part, state, own, came_quick,
                                              inclusive);
  store_tile(task, params, first, span, part, spot);
}

}  // namespace upsweep
