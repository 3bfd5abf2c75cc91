// The spine: turns the aggregates of each line's chunks into the carries that
// enter them. Each thread combines a run of neighbouring chunks, a group_scan
// gives the prefix of each run, and each thread walks its run once more.
//
// If a chunk's bounds do not show whether results leave the range within it,
// the threadgroup scans that chunk, for all lines of its panel, and continues
// after it. That happens about once in a line, because a result that has left
// the range stays out.
#pragma once

namespace upsweep {

template <class M>
struct ChunkStates {
  device const typename M::Aggregate* aggregates;
  device typename M::Prefix* carries;
};

// Where the i-th of the `count` entries of a line is: those of a panel's lines
// lie side by side.
METAL_FUNC int64_t line_entry(constant ScanParams& params, uint panel,
                              uint count, uint i, ThreadCoord coord) {
  int64_t lines = int64_t(params.width) * params.batches;
  return int64_t(panel * count + i) * lines +
         int64_t(coord.batch) * params.width + coord.column;
}
METAL_FUNC int64_t chunk_index(constant ScanParams& params, uint panel,
                               uint chunk, ThreadCoord coord) {
  return line_entry(params, panel, params.chunks, chunk, coord);
}

template <class M>
METAL_FUNC void scan_spine(Task<M> task, constant ScanParams& params,
                           ChunkStates<M> states) {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  uint last = params.chunks - 1;  // its carry is not needed
  Prefix carry = initial_prefix(task, params);
  uint from = 0;
  for (;;) {
    uint run =
        (params.chunks - from + params.line_threads - 1) / params.line_threads;
    uint begin = min(from + task.coord.line_thread * run, params.chunks);
    uint end = task.coord.is_active ? min(begin + run, params.chunks) : begin;
    Aggregate own = M::identity();
    for (uint c = begin; c < min(end, last); ++c) {
      int64_t at = chunk_index(params, task.panel.index, c, task.coord);
      own = M::combine(own, states.aggregates[at]);
    }
    if (index_of(task.thread_id) == 0) {
      atomic_store_explicit(task.shared.any_flag, 0, memory_order_relaxed);
    }
    ScanResult<M> scanned =
        group_scan<M>(own, task.thread_layout, task.thread_id,
                      task.shared.simdgroup_aggregates);
    Prefix state = carry;
    if (begin != from) state = M::apply(carry, scanned.before);
    for (uint c = begin; c < end; ++c) {
      int64_t at = chunk_index(params, task.panel.index, c, task.coord);
      states.carries[at] = state;
      if (c == last) break;
      Aggregate total = states.aggregates[at];
      if (RangeExits<M, M::kCanExitRange>::may_exit(state, total)) {
        atomic_fetch_max_explicit(task.shared.any_flag, last - c,
                                  memory_order_relaxed);
        break;
      }
      state = M::apply(state, total);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    uint chunks_left =
        atomic_load_explicit(task.shared.any_flag, memory_order_relaxed);
    if (chunks_left == 0) return;
    uint chunk = last - chunks_left;
    int64_t entry = chunk_index(params, task.panel.index, chunk, task.coord);
    if (task.coord.is_active) carry = states.carries[entry];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    carry = scan_chunk<M, false>(task, params, chunk, carry).carry;
    from = chunk + 1;
  }
}

// Stores what a chunk amounts to. Only the last one is read for it.
template <class M>
METAL_FUNC void store_chunk_carry(Task<M> task, constant ScanParams& params,
                                  device const typename M::Aggregate* totals,
                                  uint chunk, typename M::Prefix carry) {
  ChunkResult<M> result = {carry, M::identity()};
  if (chunk == params.chunks - 1) {
    result = scan_chunk<M, false>(task, params, chunk, carry);
  } else if (task.coord.is_active) {
    result.total =
        totals[chunk_index(params, task.panel.index, chunk, task.coord)];
  }
  if (task.coord.is_active && task.coord.line_thread == 0) {
    CarryOutput<M>::store(task, params, chunk, result.carry, result.total);
  }
}

}  // namespace upsweep
