// A scan over the threads of a threadgroup, for many lines at once. A line has
// line_threads threads, column_threads apart.
//
// Shuffles scan within a simdgroup. Each simdgroup then writes its aggregate of
// each line to threadgroup memory, and one thread for each aggregate scans
// those by shuffles. The order is fixed, so equal inputs give equal bits.
#pragma once

namespace upsweep {

constant constexpr uint kSimd = 32;

struct ThreadId {
  uint lane;  // in the simdgroup
  uint simdgroup;
};

METAL_FUNC uint index_of(ThreadId t) { return t.simdgroup * kSimd + t.lane; }

// How threads are laid out over lines; both are powers of two.
struct ThreadLayout {
  uint column_threads;
  uint line_threads;
};

template <class M>
struct ScanResult {
  typename M::Aggregate before;  // of all threads of the line before this one
  typename M::Aggregate total;   // of the line
};

// Simdgroups that share lines, and where their aggregates are.
struct SimdgroupSet {
  uint first;   // simdgroup of the set
  uint stride;  // simdgroups from one rank of a line to the next
  uint count;   // of a line
  uint ends;    // last threads of a simdgroup, with one aggregate each

  static METAL_FUNC SimdgroupSet of(ThreadLayout thread_layout,
                                    ThreadId thread_id) {
    uint apart = thread_layout.column_threads;
    uint simdgroups = max(apart * thread_layout.line_threads / kSimd, 1u);
    uint stride = max(apart / kSimd, 1u);
    return {thread_id.simdgroup & ~(simdgroups - 1), stride,
            simdgroups / stride, min(apart, kSimd)};
  }
};

// Scans each line's simdgroup aggregates. The aggregates of a line go to
// adjacent threads of one simdgroup.
template <class M>
METAL_FUNC void combine_simdgroups(
    SimdgroupSet set, ThreadId thread_id,
    threadgroup typename M::Aggregate* simdgroup_aggregates) {
  using Aggregate = typename M::Aggregate;
  uint all = set.stride * set.ends * set.count;
  uint begin = (thread_id.simdgroup - set.first) * kSimd;
  if (begin >= all) return;
  uint i = begin + thread_id.lane;
  uint rank = i & (set.count - 1);
  uint line = i >> ctz(set.count);
  uint simdgroup = set.first + rank * set.stride + (line >> ctz(set.ends));
  uint slot = simdgroup * kSimd + kSimd - set.ends + (line & (set.ends - 1));
  Aggregate up_to = M::identity();
  if (i < all) up_to = simdgroup_aggregates[slot];
  for (uint delta = 1; delta < set.count; delta *= 2) {
    Aggregate left = M::shuffle_up(up_to, ushort(delta));
    if (rank >= delta) up_to = M::combine(left, up_to);
  }
  if (i < all) simdgroup_aggregates[slot] = up_to;
}

// The threads of neighbouring lines in a simdgroup.
METAL_FUNC uint reach_of(ThreadLayout thread_layout) {
  return min(thread_layout.column_threads * thread_layout.line_threads, kSimd);
}

// Combines what each thread's line has in the simdgroup up to the thread. All
// threads of the simdgroup must call it.
template <class M>
METAL_FUNC typename M::Aggregate simd_combine(typename M::Aggregate up_to,
                                              ThreadLayout thread_layout,
                                              uint lane) {
  using Aggregate = typename M::Aggregate;
  uint reach = reach_of(thread_layout);
  uint at = lane & (reach - 1);
  for (uint delta = thread_layout.column_threads; delta < reach; delta *= 2) {
    Aggregate left = M::shuffle_up(up_to, ushort(delta));
    if (at >= delta) up_to = M::combine(left, up_to);
  }
  return up_to;
}

// The combination of all threads of a line, for each of them. All threads of
// the group must call it, with one entry of simdgroup_aggregates each and a
// barrier between calls.
template <class M>
METAL_FUNC typename M::Aggregate group_total(
    typename M::Aggregate own, ThreadLayout thread_layout, ThreadId thread_id,
    threadgroup typename M::Aggregate* simdgroup_aggregates) {
  using Aggregate = typename M::Aggregate;
  Aggregate up_to = simd_combine<M>(own, thread_layout, thread_id.lane);
  uint ends = min(thread_layout.column_threads, kSimd);
  uint reach = reach_of(thread_layout);
  uint at = thread_id.lane & (reach - 1);
  if (at >= reach - ends) simdgroup_aggregates[index_of(thread_id)] = up_to;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  SimdgroupSet set = SimdgroupSet::of(thread_layout, thread_id);
  uint first = set.first + (thread_id.simdgroup & (set.stride - 1));
  uint end = thread_id.lane - at + reach - ends + (at & (ends - 1));
  Aggregate total = simdgroup_aggregates[first * kSimd + end];
  UPSWEEP_ROLL
  for (uint rank = 1; rank < set.count; ++rank) {
    uint simdgroup = first + rank * set.stride;
    total = M::combine(total, simdgroup_aggregates[simdgroup * kSimd + end]);
  }
  return total;
}

// All threads must call it, with one entry of simdgroup_aggregates each and a
// barrier between calls.
template <class M>
METAL_FUNC ScanResult<M> group_scan(
    typename M::Aggregate own, ThreadLayout thread_layout, ThreadId thread_id,
    threadgroup typename M::Aggregate* simdgroup_aggregates) {
  using Aggregate = typename M::Aggregate;
  uint apart = thread_layout.column_threads;
  uint reach = reach_of(thread_layout);
  uint at = thread_id.lane & (reach - 1);
  uint ends = min(apart, kSimd);
  Aggregate up_to = simd_combine<M>(own, thread_layout, thread_id.lane);
  Aggregate before = M::identity();
  if (apart < reach) {
    Aggregate left = M::shuffle_up(up_to, ushort(apart));
    if (at >= apart) before = left;
  }
  // The last thread of each line in the simdgroup writes the line's aggregate.
  if (at >= reach - ends) simdgroup_aggregates[index_of(thread_id)] = up_to;
  threadgroup_barrier(mem_flags::mem_threadgroup);

  SimdgroupSet set = SimdgroupSet::of(thread_layout, thread_id);
  if (set.count > 1) {
    combine_simdgroups<M>(set, thread_id, simdgroup_aggregates);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  uint end = thread_id.lane - at + reach - ends + (at & (ends - 1));
  if (thread_id.simdgroup - set.first >= set.stride) {
    Aggregate base =
        simdgroup_aggregates[(thread_id.simdgroup - set.stride) * kSimd + end];
    if (apart < reach) {
      before = M::combine(base, before);
    } else {
      before = base;
    }
  }
  uint last = set.first + (thread_id.simdgroup & (set.stride - 1)) +
              (set.count - 1) * set.stride;
  return {before, simdgroup_aggregates[last * kSimd + end]};
}

}  // namespace upsweep
