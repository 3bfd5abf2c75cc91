// Scans of what the threads of a threadgroup have of each line. One simdgroup
// scans the maps, and another the products at the same time, each thread
// several neighbouring entries: that takes fewer steps in all than if every
// thread took part in each (group.h).
#pragma once

namespace upsweep {

// Entries of threads in threadgroup memory, in the order of lines.
struct LineOrder {
  ThreadLayout layout;
  bool is_backward;  // along lines

  // That of the n-th.
  static METAL_FUNC uint entry(LineOrder order, uint n) {
    uint threads = order.layout.line_threads,
         apart = order.layout.column_threads;
    uint line = n >> ctz(threads), rank = n & (threads - 1);
    if (order.is_backward) rank = threads - 1 - rank;
    uint batch = line >> ctz(apart), column = line & (apart - 1);
    return (batch * threads + rank) * apart + column;
  }
  static METAL_FUNC bool starts_line(LineOrder order, uint n) {
    return (n & (order.layout.line_threads - 1)) == 0;
  }
};

// An entry becomes that of all up to it in its line; without `each`, that need
// only be so for the last one. All threads of a simdgroup must call it.
template <class M>
METAL_FUNC void scan_entries(threadgroup typename M::Aggregate* entries,
                             LineOrder order, uint lane, bool each) {
  using Aggregate = typename M::Aggregate;
  constexpr uint kEach = kThreads / kSimd;
  uint first = lane * kEach;
  Aggregate up_to = entries[LineOrder::entry(order, first)];
  for (uint n = first + 1; n < first + kEach; ++n) {
    Aggregate own = entries[LineOrder::entry(order, n)];
    up_to = LineOrder::starts_line(order, n) ? own : M::combine(up_to, own);
  }
  uint lanes = order.layout.line_threads / kEach;  // of a line
  uint rank = lane & (max(lanes, 1u) - 1);
  for (uint delta = 1; delta < lanes; delta *= 2) {
    Aggregate left = M::shuffle_up(up_to, ushort(delta));
    if (rank >= delta) up_to = M::combine(left, up_to);
  }
  if (!each && lanes > 1) {
    uint last = LineOrder::entry(order, first + kEach - 1);
    if (rank == lanes - 1) entries[last] = up_to;
    return;
  }
  Aggregate before = M::shuffle_up(up_to, ushort(1));
  for (uint n = first; n < first + kEach; ++n) {
    uint entry = LineOrder::entry(order, n);
    Aggregate own = entries[entry];
    before = LineOrder::starts_line(order, n) ? own : M::combine(before, own);
    entries[entry] = before;
  }
}

template <class G>
struct GradientLines {
  using M = typename G::M;
  using Map = typename M::Aggregate;
  using Product = FactorProduct::Aggregate;

  ThreadLayout layout;
  ThreadId thread_id;
  threadgroup Map* maps;
  threadgroup Product* products;

  static METAL_FUNC void put(GradientLines here, Map own) {
    here.maps[index_of(here.thread_id)] = own;
  }
  static METAL_FUNC void put(GradientLines here, Product own) {
    here.products[index_of(here.thread_id)] = own;
  }

  // All threads must call these, after they have put what they have. Only the
  // totals are right after those that reduce.
  static METAL_FUNC void scan_maps(GradientLines here) {
    scan(here, true, false, true);
  }
  static METAL_FUNC void scan_products(GradientLines here) {
    scan(here, false, true, true);
  }
  static METAL_FUNC void scan_both(GradientLines here) {
    scan(here, true, true, true);
  }
  static METAL_FUNC void reduce_maps(GradientLines here) {
    scan(here, true, false, false);
  }
  static METAL_FUNC void reduce_products(GradientLines here) {
    scan(here, false, true, false);
  }
  static METAL_FUNC void reduce_both(GradientLines here) {
    scan(here, true, true, false);
  }

  // After the scan: of the threads before in the line.
  static METAL_FUNC Map map_before(GradientLines here) {
    if (rank(here) == 0) return M::identity();
    return here.maps[index_of(here.thread_id) - here.layout.column_threads];
  }
  static METAL_FUNC Map total_map(GradientLines here) {
    return here.maps[end(here, false)];
  }
  // Of the threads of the line that come later, for Vjp, or before, for Jvp.
  static METAL_FUNC Product other_product(GradientLines here) {
    uint last = G::kIsAgainstProduct ? here.layout.line_threads - 1 : 0;
    if (rank(here) == last) return FactorProduct::identity();
    uint apart = here.layout.column_threads, own = index_of(here.thread_id);
    return here.products[G::kIsAgainstProduct ? own + apart : own - apart];
  }
  static METAL_FUNC Product total_product(GradientLines here) {
    return here.products[end(here, G::kIsAgainstProduct)];
  }

 private:
  static METAL_FUNC void scan(GradientLines here, bool maps, bool products,
                              bool each) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint simdgroup = here.thread_id.simdgroup, lane = here.thread_id.lane;
    if (maps && simdgroup == 0) {
      scan_entries<M>(here.maps, {here.layout, false}, lane, each);
    }
    if (products && simdgroup == kThreads / kSimd - 1) {
      scan_entries<FactorProduct>(
          here.products, {here.layout, G::kIsAgainstProduct}, lane, each);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  // Of the thread in its line.
  static METAL_FUNC uint rank(GradientLines here) {
    return index_of(here.thread_id) >> ctz(here.layout.column_threads) &
           (here.layout.line_threads - 1);
  }
  // The entry of the line that a scan ends with.
  static METAL_FUNC uint end(GradientLines here, bool is_backward) {
    uint apart = here.layout.column_threads;
    uint first = index_of(here.thread_id) - rank(here) * apart;
    return is_backward ? first : first + (here.layout.line_threads - 1) * apart;
  }
};

}  // namespace upsweep
