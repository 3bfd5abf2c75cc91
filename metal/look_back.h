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
//   the carry behind the set before the last one
//     · totals of the groups in the last set, and before it in its own
//     · totals of the tiles before it in the group
//
// so that the carry has mostly been there for a while. Each tile posts its
// total, and the last one of a group that of the group. Where results may leave
// the range of the dtype on the way, the carry behind the tile just before is
// waited for instead: what that is, only a scan can tell.
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
    device uint4* tiles = at<State>(data, params.chunks * apart);
    device uint4* groups = at<Total>(tiles, params.chunks * apart);
    uint first = panel * params.width + lane;
    return {at<State>(data, first), at<Total>(tiles, first),
            at<Total>(groups, first), apart};
  }

  static METAL_FUNC device uint4* carry(Posts posts, uint chunk) {
    return at<State>(posts.carries, chunk * posts.apart);
  }
  static METAL_FUNC device uint4* tile(Posts posts, uint chunk) {
    return at<Total>(posts.tiles, chunk * posts.apart);
  }
  static METAL_FUNC device uint4* group(Posts posts, uint group) {
    return at<Total>(posts.groups, group * posts.apart);
  }

 private:
  // There are less than 2^32 posts of a kind.
  template <class T>
  static METAL_FUNC device uint4* at(device uint4* first, uint i) {
    return first + int64_t(i) * Post<T>::kVectors;
  }
};

template <class M>
struct LookBack {
  using Total = typename M::Total;
  using State = typename M::State;

  // What enters a chunk's tile, in which a thread's line has the given total.
  // All threads call it. The carry behind the tile, which whoever speaks for a
  // line owes the others, is posted if no result can leave the range within the
  // tile.
  static METAL_FUNC State entering(Task<M> task, constant ScanParams& params,
                                   Posts<M> posts, uint chunk, Total total,
                                   thread bool& owes) {
    bool speaks = speaks_for_line(task);
    if (speaks && params.fan != 1) {
      Post<Total>::put(Posts<M>::tile(posts, chunk), total);
    }
    State state = M::start();
    if (params.fan == 1) {
      if (speaks && chunk != 0) state = carry(posts, chunk - 1);
    } else {
      state = behind_others(task, params, posts, chunk, total, speaks);
    }
    if (owes && !Exits<M, M::kExits>::possible(state, total)) {
      Post<State>::put(Posts<M>::carry(posts, chunk), M::after(state, total));
      owes = false;
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

  // What enters a tile by groups and sets: whoever speaks for a line gets to
  // know. Lines whose threads that look back are in one simdgroup leave the
  // other ones alone.
  static METAL_FUNC State behind_others(Task<M> task,
                                        constant ScanParams& params,
                                        Posts<M> posts, uint chunk, Total total,
                                        bool speaks) {
    uint lanes = task.spread.lane_threads;
    uint places =
        min(task.spread.line_threads, max(kPlaces, kSimd / min(lanes, kSimd)));
    uint skipped = task.spread.line_threads - places;
    Looking look = {{lanes, places},
                    skipped,
                    task.thread_at.simdgroup >= skipped * lanes / kSimd,
                    task.seat.used && task.seat.place >= skipped};
    State state = M::start();
    if (lanes * places <= kSimd && !look.simdgroup) return state;
    uint bits = ctz(params.fan);
    uint in_group = chunk & (params.fan - 1);
    uint group = chunk >> bits;
    uint set = group >> bits;
    // Of groups, the set before and this one.
    uint near = group - (set == 0 ? 0 : (set - 1) << bits);
    uint far = (group - near) << bits;  // tiles before those
    device uint4* behind = Posts<M>::carry(posts, far == 0 ? 0 : far - 1);
    typename Post<State>::Glance seen;
    if (speaks && far != 0) seen = Post<State>::glance(behind);
    // A group's last tile folds the group before all that comes before itself.
    bool closes = in_group == params.fan - 1;
    Total between;
    UPSWEEP_ROLL
    for (uint round = closes ? 0 : 1; round < 2; ++round) {
      uint groups = round == 0 ? 0 : near;
      between = fold(task, posts, look, group, groups, chunk, in_group);
      if (speaks && round == 0) {
        Post<Total>::put(Posts<M>::group(posts, group),
                         M::join(between, total));
      }
    }
    if (!speaks) return state;
    if (far != 0) state = Post<State>::wait_for(behind, seen);
    if (near + in_group == 0) return state;
    return Exits<M, M::kExits>::possible(state, between)
               ? carry(posts, chunk - 1)
               : M::after(state, between);
  }

  // Who looks back.
  struct Looking {
    Spread spread;
    uint skipped;    // places of a line that do not
    bool simdgroup;  // whether any thread of this one does
    bool self;
  };

  // The totals of the `groups` groups before a group and of the `tiles` tiles
  // before a chunk's, which are shared out among the threads that look back.
  // The last one of a line gets to know.
  static METAL_FUNC Total fold(Task<M> task, Posts<M> posts, Looking look,
                               uint group, uint groups, uint chunk,
                               uint tiles) {
    uint places = look.spread.line_threads;
    uint n = groups + tiles;
    uint run = (n + places - 1) >> ctz(places);
    uint begin = look.self ? min((task.seat.place - look.skipped) * run, n) : n;
    uint end = min(begin + run, n);
    Total own = M::none();
    UPSWEEP_ROLL
    for (uint r = 0; r < run; r += kBatch) {
      device uint4* at[kBatch];
      typename Post<Total>::Glance seen[kBatch];
      UPSWEEP_UNROLL
      for (uint b = 0; b < kBatch; ++b) {
        uint k = begin + r + b;
        at[b] = k < groups ? Posts<M>::group(posts, group - groups + k)
                           : Posts<M>::tile(posts, chunk - n + k);
        if (k < end) seen[b] = Post<Total>::glance(at[b]);
      }
      UPSWEEP_UNROLL
      for (uint b = 0; b < kBatch; ++b) {
        bool counts = begin + r + b < end;
        Total total;
        if (counts) total = Post<Total>::wait_for(at[b], seen[b]);
        // Threads that have waited for different times go on together.
        simdgroup_barrier(mem_flags::mem_none);
        if (counts) own = M::join(own, total);
      }
    }
    if (look.spread.lane_threads * places <= kSimd) {
      simd_scan<M>(own, look.spread, task.thread_at.lane);
      return own;
    }
    // The slots may still be looked at.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return group_scan<M>(own, look.spread, task.thread_at, task.shared.slots,
                         look.simdgroup)
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
  Part<M> part = load_tile(task, params, first, span);
  bool came_quick;
  Total own = Along<M>::fold(part, came_quick);
  Scanned<M> scanned =
      group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
  State carry = M::start();
  bool owes = chunk != params.chunks - 1 && LookBack<M>::speaks_for_line(task);
  if (params.chunks != 1) {
    carry =
        LookBack<M>::entering(task, params, posts, chunk, scanned.total, owes);
  }
  State state = M::after(carry, scanned.before);
  State next = state;
  if (owes) next = M::after(carry, scanned.total);
  bool steps =
      Exits<M, M::kExits>::settle(task, part, span, carry, own, state, next);
  if (owes) Post<State>::put(Posts<M>::carry(posts, chunk), next);
  finish_tile(task, params, first, span, part, steps, state, own, came_quick);
}

}  // namespace upsweep
