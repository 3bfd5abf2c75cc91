// Look-back: long lines in a single pass, on devices where a threadgroup that
// has begun goes on while others wait for it.
//
// A threadgroup scans one tile of one line, and takes its turn by a ticket: all
// tiles before its own have begun. It posts the total of its tile, looks back
// for what comes before it, and posts the carry behind it. How it looks back is
// the same whatever others have got to, so that equal inputs have equal bits:
// kFan tiles are a group, whose last tile posts the total of the group, and
// kFan groups are a set. What enters a tile is
//
//   the carry behind the set before · totals of the groups before it in the set
//                                   · totals of the tiles before it in the
//                                   group
//
// which is three steps, and each set waits for the one before it. Where results
// may leave the range of the dtype on the way, the carry behind the tile just
// before is waited for instead: what that is, only a scan can tell.
#pragma once

namespace upsweep {

// What is posted, and for each post a flag that is 0 before. Tiles are counted
// over all panels, and so are groups.
template <class M>
struct Posts {
  device atomic_uint* flags;  // the tickets, tiles, groups, carries
  device uint4* data;         // tiles, groups, carries
  uint tiles;
  uint groups;

  static METAL_FUNC Posts of(device atomic_uint* flags, device uint4* data,
                             constant ScanParams& params) {
    return {flags, data, params.panels * params.chunks,
            params.panels * groups_of(params.chunks)};
  }
};

METAL_FUNC void say_posted(device atomic_uint* flag) {
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst,
                      thread_scope_device);
  atomic_store_explicit(flag, 1, memory_order_relaxed);
}

METAL_FUNC void wait_for_post(device atomic_uint* flag) {
  while (atomic_load_explicit(flag, memory_order_relaxed) == 0) {
  }
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst,
                      thread_scope_device);
}

template <class M>
struct LookBack {
  using Total = typename M::Total;
  using State = typename M::State;

  static METAL_FUNC void post_tile(Posts<M> posts, uint tile, Total total) {
    ((device Total*)posts.data)[tile] = total;
    say_posted(posts.flags + 1 + tile);
  }
  static METAL_FUNC Total tile(Posts<M> posts, uint tile) {
    wait_for_post(posts.flags + 1 + tile);
    return ((device const Total*)posts.data)[tile];
  }

  static METAL_FUNC void post_group(Posts<M> posts, uint group, Total total) {
    ((device Total*)(posts.data + groups_at(posts)))[group] = total;
    say_posted(posts.flags + 1 + posts.tiles + group);
  }
  static METAL_FUNC Total group(Posts<M> posts, uint group) {
    wait_for_post(posts.flags + 1 + posts.tiles + group);
    return ((device const Total*)(posts.data + groups_at(posts)))[group];
  }

  // The carry behind a tile.
  static METAL_FUNC void post_carry(Posts<M> posts, uint tile, State carry) {
    ((device State*)(posts.data + carries_at(posts)))[tile] = carry;
    say_posted(posts.flags + 1 + posts.tiles + posts.groups + tile);
  }
  static METAL_FUNC State carry(Posts<M> posts, uint tile) {
    wait_for_post(posts.flags + 1 + posts.tiles + posts.groups + tile);
    return ((device const State*)(posts.data + carries_at(posts)))[tile];
  }

  // What enters a chunk's tile, which is posted; called by a simdgroup, whose
  // last lane gets to know. Posts the group's total where the chunk is its
  // last.
  static METAL_FUNC State before(Posts<M> posts, constant ScanParams& params,
                                 uint panel, uint chunk, Total own, uint lane) {
    uint in_group = chunk % kFan, group_index = chunk / kFan;
    uint in_set = group_index % kFan;
    uint first_tile = panel * params.chunks + chunk - in_group;
    uint first_group = panel * groups_of(params.chunks) + group_index - in_set;

    Total tiles = M::none();
    if (lane < in_group) tiles = tile(posts, first_tile + lane);
    tiles = folded(tiles, lane);
    bool is_last = lane == kSimd - 1;
    if (in_group == kFan - 1 && is_last) {
      post_group(posts, first_group + in_set, M::join(tiles, own));
    }
    Total groups = M::none();
    if (lane < in_set) groups = group(posts, first_group + lane);
    groups = folded(groups, lane);

    State entering = M::start();
    if (!is_last) return entering;
    uint first_of_set = first_tile - in_set * kFan;
    if (group_index != in_set) entering = carry(posts, first_of_set - 1);
    if (in_set != 0) entering = beyond(posts, entering, groups, first_tile);
    uint own_tile = first_tile + in_group;
    if (in_group != 0) entering = beyond(posts, entering, tiles, own_tile);
    return entering;
  }

 private:
  static METAL_FUNC uint groups_at(Posts<M> posts) {
    return posts.tiles * (kAggregateBytes / 16);
  }
  static METAL_FUNC uint carries_at(Posts<M> posts) {
    return (posts.tiles + posts.groups) * (kAggregateBytes / 16);
  }

  // The combination of the lanes up to this one.
  static METAL_FUNC Total folded(Total own, uint lane) {
    for (uint delta = 1; delta < kSimd; delta *= 2) {
      Total left = M::shuffle_up(own, ushort(delta));
      if (lane >= delta) own = M::join(left, own);
    }
    return own;
  }

  // A state behind totals that come before a tile.
  static METAL_FUNC State beyond(Posts<M> posts, State state, Total total,
                                 uint tile) {
    bool certain = !Exits<M, M::kExits>::possible(state, total);
    return certain ? M::after(state, total) : carry(posts, tile - 1);
  }
};

// Scans one tile of a line.
template <class M>
METAL_FUNC void scan_linked(Task<M> task, constant ScanParams& params,
                            uint chunk, Posts<M> posts,
                            threadgroup typename M::State* entering) {
  using State = typename M::State;
  using Total = typename M::Total;
  uint tile = task.panel.index * params.chunks + chunk;
  bool first_thread = index_of(task.thread_at) == 0;
  int64_t first = int64_t(chunk) * params.span;
  uint span = uint(min(params.length.extent - first, int64_t(params.span)));
  Layout<typename M::Value> layout;
  Part<M> part = load_part(task, params, first, span, layout);
  bool came_quick;
  Total own = Quick<M, M::kQuick>::fold(part, came_quick);
  Scanned<M> scanned =
      group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
  if (first_thread) LookBack<M>::post_tile(posts, tile, scanned.total);
  if (task.thread_at.simdgroup == 0) {
    State before = LookBack<M>::before(posts, params, task.panel.index, chunk,
                                       scanned.total, task.thread_at.lane);
    if (task.thread_at.lane == kSimd - 1) entering[0] = before;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  State carry = entering[0];
  State state = M::after(carry, scanned.before);
  State next = M::after(carry, scanned.total);
  bool steps = Exits<M, M::kExits>::settle(task, part, span, carry,
                                           scanned.total, state, next);
  if (first_thread) LookBack<M>::post_carry(posts, tile, next);
  bool inclusive = params.inclusive != 0;
  part = steps ? Exits<M, M::kExits>::results(part, state, inclusive)
               : Quick<M, M::kQuick>::results(part, state, own, came_quick,
                                              inclusive);
  store_part(task, params, first, span, part, layout);
}

}  // namespace upsweep
