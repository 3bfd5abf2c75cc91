// A scan over the threads of a threadgroup: of many lines at once, each of
// which has line_threads of the threads, lane_threads apart.
//
// Within a simdgroup it goes by shuffles. Then each simdgroup posts its part of
// each line, and every thread folds the parts before its own in order. Nothing
// depends on timing, so that equal inputs have equal bits.
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
    for (uint delta = apart; delta < reach; delta *= 2) {
      Total left = M::shuffle_up(up_to, ushort(delta));
      if (at >= delta) up_to = M::join(left, up_to);
    }
    if (apart < reach) {
      Total left = M::shuffle_up(up_to, ushort(apart));
      if (at >= apart) before = left;
    }
    // The last thread of a line in the simdgroup has its part of that line.
    if (at >= reach - ends) slots[index_of(thread_at)] = up_to;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (!takes_part) return {before, before};

  uint end = thread_at.lane - at + reach - ends + at % ends;
  uint simdgroups = max(neighbours / kSimd, 1u);
  uint stride = max(apart / kSimd, 1u);
  uint first = thread_at.simdgroup & ~(simdgroups - 1);
  uint part = first + thread_at.simdgroup % stride;
  Total total = slots[part * kSimd + end];
  part += stride;
  if (part <= thread_at.simdgroup) {
    for (; part < thread_at.simdgroup; part += stride) {
      total = M::join(total, slots[part * kSimd + end]);
    }
    if (apart < reach) {
      before = M::join(total, before);
    } else {
      before = total;
    }
    total = M::join(total, slots[part * kSimd + end]);
    part += stride;
  }
  for (; part < first + simdgroups; part += stride) {
    total = M::join(total, slots[part * kSimd + end]);
  }
  return {before, total};
}

}  // namespace upsweep
