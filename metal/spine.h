// The spine: from the totals of the chunks of each line to the carries that
// enter them. Each thread folds a run of neighbouring chunks, a group_scan
// tells what comes before each run, and each thread goes over its run once
// more.
//
// Where a chunk's bounds do not tell whether results leave the range within it,
// the threadgroup scans that chunk, for all lines of its panel, and goes on
// behind it. That happens about once in a line, for what has left the range
// stays out.
#pragma once

namespace upsweep {

template <class M>
struct Chain {
  device const typename M::Total* aggregates;
  device typename M::State* carries;
};

// Where the aggregates and carries of a panel's lines are: chunk by chunk.
METAL_FUNC int64_t chain_index(constant ScanParams& params, uint panel,
                               uint chunk, Seat seat) {
  int64_t lines = int64_t(params.width) * params.blocks;
  return int64_t(panel * params.chunks + chunk) * lines +
         int64_t(seat.block) * params.width + seat.lane;
}

template <class M>
METAL_FUNC void scan_chain(Task<M> task, constant ScanParams& params,
                           Chain<M> chain) {
  using State = typename M::State;
  using Total = typename M::Total;
  uint last = params.chunks - 1;  // no carry has to leave it
  State carry = M::start();
  uint from = 0;
  for (;;) {
    uint run =
        (params.chunks - from + params.line_threads - 1) / params.line_threads;
    uint begin = min(from + task.seat.place * run, params.chunks);
    uint end = task.seat.used ? min(begin + run, params.chunks) : begin;
    Total own = M::none();
    for (uint c = begin; c < min(end, last); ++c) {
      int64_t at = chain_index(params, task.panel.index, c, task.seat);
      own = M::join(own, chain.aggregates[at]);
    }
    if (index_of(task.thread_at) == 0) {
      atomic_store_explicit(task.shared.mailbox, 0, memory_order_relaxed);
    }
    Scanned<M> scanned =
        group_scan<M>(own, task.spread, task.thread_at, task.shared.slots);
    State state = carry;
    if (begin != from) state = M::after(carry, scanned.before);
    for (uint c = begin; c < end; ++c) {
      int64_t at = chain_index(params, task.panel.index, c, task.seat);
      chain.carries[at] = state;
      if (c == last) break;
      Total total = chain.aggregates[at];
      if (Exits<M, M::kExits>::possible(state, total)) {
        atomic_fetch_max_explicit(task.shared.mailbox, last - c,
                                  memory_order_relaxed);
        break;
      }
      state = M::after(state, total);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    uint chunks_left =
        atomic_load_explicit(task.shared.mailbox, memory_order_relaxed);
    if (chunks_left == 0) return;
    uint chunk = last - chunks_left;
    int64_t entry = chain_index(params, task.panel.index, chunk, task.seat);
    if (task.seat.used) carry = chain.carries[entry];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    carry = scan_chunk<M, false>(task, params, chunk, carry);
    from = chunk + 1;
  }
}

}  // namespace upsweep
