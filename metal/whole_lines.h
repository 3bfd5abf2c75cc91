// Tiles of whole lines that are so short that a thread scans several, one after
// the other, with nothing to ask of other threads.
#pragma once

namespace upsweep {

template <class M>
struct WholeLines {
  using Items = ThreadItems<M>;
  using Value = typename M::Value;
  using Range = RangeExits<M, M::kCanExitRange>;
  // Items for which no fast path is worth its preparations.
  static constant constexpr uint kFew = 3;

  static METAL_FUNC void scan(Task<M> task, constant ScanParams& params) {
    uint span = params.span;
    Layout<Value> out = layout_out<Value>(params, task.panel, 0, span);
    load_elements(task, params, 0, span, out);
    UPSWEEP_ROLL
    for (; task.coord.is_active; next_line(task, params)) {
      scan_line(task, params, loaded_items(task, params, span, out));
    }
    store_results(task, out);
  }

 private:
  // Goes on to the thread's next line: along columns, then along the batch.
  static METAL_FUNC void next_line(thread Task<M>& task,
                                   constant ScanParams& params) {
    task.coord.column += params.column_threads;
    if (task.coord.column >= task.panel.width) {
      task.coord.column &= params.column_threads - 1;
      // A line has one thread.
      task.coord.batch += kThreads / params.column_threads;
      task.coord.is_active = task.coord.batch < task.panel.batches;
    }
  }

  // Results replace the elements.
  static METAL_FUNC void scan_line(Task<M> task, constant ScanParams& params,
                                   Items items) {
    bool inclusive = params.inclusive != 0;
    typename M::Prefix carry = initial_prefix(task, params);
    store_initial(task, params, carry);
    typename M::Prefix state = Range::enter(items, carry);
    if (items.count <= kFew) return Range::step(items, state, inclusive);
    ThreadTotal<M> own = ThreadScan<M>::reduce(items);
    if (Range::must_step(state, own.total)) {
      Range::scan(items, state, own.is_fast, inclusive);
    } else {
      ThreadScan<M>::scan(items, state, own, inclusive);
    }
  }
};

}  // namespace upsweep
