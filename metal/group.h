// A scan over the threads of a threadgroup: of many lines at once, each of
// which has line_threads of the threads, lane_threads apart.
//
// Within a simdgroup it goes by shuffles. Then each simdgroup posts its part of
// each line, and so many threads as there are parts scan these, by shuffles as
// well. Nothing depends on timing, so that equal inputs have equal bits.
#pragma once

namespace upsweep {

constant constexpr uint kSimd = 32;

struct Thread {
  uint lane;  // in the simdgroup
  uint simdgroup;
};

METAL_FUNC uint index_of(Thread t) { return t.simdgroup * kSimd + t.lane; }

// Where the threads of a line are; both are powers of two.
struct Spread {
  uint lane_threads;
  uint line_threads;
};

template <class M>
struct Scanned {
  typename M::Total before;  // of all threads of the line before this one
  typename M::Total total;   // of the line
};

// A set of simdgroups that share lines, and where their parts of these are.
struct Parts {
  uint first;   // simdgroup of the set
  uint stride;  // simdgroups to a line's next part
  uint count;   // of a line
  uint ends;    // threads of a simdgroup, its last ones, that have one each

  static METAL_FUNC Parts of(Spread spread, Thread thread_at) {
    uint apart = spread.lane_threads;
    uint simdgroups = max(apart * spread.line_threads / kSimd, 1u);
    uint stride = max(apart / kSimd, 1u);
    return {thread_at.simdgroup & ~(simdgroups - 1), stride,
            simdgroups / stride, min(apart, kSimd)};
  }
};

// Joins each line's parts with all before them. A simdgroup's threads have
// neighbouring parts of the same line side by side.
template <class M>
METAL_FUNC void join_parts(Parts parts, Thread thread_at,
                           threadgroup typename M::Total* slots) {
  using Total = typename M::Total;
  uint all = parts.stride * parts.ends * parts.count;
  uint begin = (thread_at.simdgroup - parts.first) * kSimd;
  if (begin >= all) return;
  uint i = begin + thread_at.lane;
  uint part = i & (parts.count - 1);
  uint line = i >> ctz(parts.count);
  uint simdgroup =
      parts.first + part * parts.stride + (line >> ctz(parts.ends));
  uint slot =
      simdgroup * kSimd + kSimd - parts.ends + (line & (parts.ends - 1));
  Total up_to = M::none();
  if (i < all) up_to = slots[slot];
  for (uint delta = 1; delta < parts.count; delta *= 2) {
    Total left = M::shuffle_up(up_to, ushort(delta));
    if (part >= delta) up_to = M::join(left, up_to);
  }
  if (i < all) slots[slot] = up_to;
}

// Scans what the threads of a simdgroup have of each line; all of them call it.
// `up_to` then includes a thread's own.
template <class M>
METAL_FUNC typename M::Total simd_scan(thread typename M::Total& up_to,
                                       Spread spread, uint lane) {
  using Total = typename M::Total;
  uint apart = spread.lane_threads;
  uint reach = min(apart * spread.line_threads, kSimd);
  uint at = lane & (reach - 1);
  for (uint delta = apart; delta < reach; delta *= 2) {
    Total left = M::shuffle_up(up_to, ushort(delta));
    if (at >= delta) up_to = M::join(left, up_to);
  }
  Total before = M::none();
  if (apart < reach) {
    Total left = M::shuffle_up(up_to, ushort(apart));
    if (at >= apart) before = left;
  }
  return before;
}

// All threads call it, with a slot for each. Between two calls is a barrier.
// Simdgroups that take no part, a line's all or none, get to know nothing.
template <class M>
METAL_FUNC Scanned<M> group_scan(typename M::Total own, Spread spread,
                                 Thread thread_at,
                                 threadgroup typename M::Total* slots,
                                 bool takes_part = true) {
  using Total = typename M::Total;
  uint apart = spread.lane_threads;
  uint neighbours = apart * spread.line_threads;  // threads of adjacent lines
  uint reach = min(neighbours, kSimd);            // and those in a simdgroup
  uint at = thread_at.lane & (reach - 1);
  uint ends = min(apart, kSimd);
  Total before = M::none();
  if (takes_part) {
    Total up_to = own;
    before = simd_scan<M>(up_to, spread, thread_at.lane);
    // The last thread of a line in the simdgroup has its part of that line.
    if (at >= reach - ends) slots[index_of(thread_at)] = up_to;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  Parts parts = Parts::of(spread, thread_at);
  if (parts.count > 1) {
    if (takes_part) join_parts<M>(parts, thread_at, slots);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (!takes_part) return {before, before};

  uint end = thread_at.lane - at + reach - ends + (at & (ends - 1));
  if (thread_at.simdgroup - parts.first >= parts.stride) {
    Total base = slots[(thread_at.simdgroup - parts.stride) * kSimd + end];
    if (apart < reach) {
      before = M::join(base, before);
    } else {
      before = base;
    }
  }
  uint last = parts.first + (thread_at.simdgroup & (parts.stride - 1)) +
              (parts.count - 1) * parts.stride;
  return {before, slots[last * kSimd + end]};
}

}  // namespace upsweep
