// Results that leave the range of the dtype and then stay out: zero, infinite
// or NaN. Nearly always, bounds prove that no thread's items leave it
// (M::is_safe). Otherwise each thread whose own items may leave it looks for
// the first step that does, assuming that none did before. Only the first exit
// of a line is real; later items resume from it (M::resume).
#pragma once

namespace upsweep {

// Scans a thread's items step by step, in the range or not, from a prefix to
// the one after them.
template <class M>
METAL_FUNC typename M::Prefix scan_stepwise(ThreadItems<M> items,
                                            typename M::Prefix state,
                                            bool inclusive) {
  ItemResets<M> resets = ItemResets<M>::of(items);
  UPSWEEP_ROLL
  for (uint i = 0; i < items.count; ++i) {
    state = ItemResets<M>::restart_prefix(resets, i, state);
    typename M::Prefix after =
        M::advance(state, get(items.line, items.position + i));
    put(items.line, items.position + i, M::value(inclusive ? after : state));
    state = after;
  }
  return state;
}

// The prefix of the first items of a line, from the carry before it.
template <class M>
METAL_FUNC typename M::Prefix enter_line(decltype(ThreadItems<M>::line) line,
                                         typename M::Prefix carry) {
  typename M::RangeExit exit = M::exit_of_carry(carry);
  return M::has_exited(exit) ? M::resume(carry, exit, line, 0) : carry;
}

// A thread's items that may leave the range, a block at a time: few blocks have
// to be followed step by step.
template <class M>
struct ItemsInDoubt {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using RangeExit = typename M::RangeExit;
  using Fast = typename FastPath<M, M::kHasFastPath>::Fast;
  using Scan = PatternScan<M, kStrided>;
  static constant constexpr uint kBlock = 8;

  // The first exit, if there was none before. is_fast is that of ThreadTotal.
  static METAL_FUNC RangeExit first_exit(ThreadItems<M> items, Prefix state,
                                         bool is_fast) {
    if (RangeEnd<M>::kIsKnown && is_fast) {
      return RangeEnd<M>::template first_exit<RangeExit>(items, state);
    }
    UPSWEEP_ROLL
    for (uint begin = 0; begin < items.count; begin += kBlock) {
      ThreadItems<M> block = block_at(items, begin);
      Aggregate own;
      if (is_safe(block, state, own)) {
        state = M::apply(state, own);
        continue;
      }
      UPSWEEP_ROLL
      for (uint i = 0; i < block.count; ++i) {
        Prefix after = M::advance(state, get(block.line, block.position + i));
        if (M::is_live(state) && !M::is_live(after)) {
          return M::exit_at(after, block.position + i + 1);
        }
        state = after;
      }
    }
    return M::no_exit();
  }

  static METAL_FUNC void scan(ThreadItems<M> items, Prefix state, bool is_fast,
                              bool inclusive) {
    if (RangeEnd<M>::kIsKnown && is_fast) {
      return RangeEnd<M>::scan(items, state, inclusive);
    }
    UPSWEEP_ROLL
    for (uint begin = 0; begin < items.count; begin += kBlock) {
      ThreadItems<M> block = block_at(items, begin);
      Aggregate own;
      if (is_safe(block, state, own)) {
        Scan::scan(SharedView<M>::of(block), ItemResets<M>::of(block),
                   Fast::fast_prefix(state), M::value(state), false, inclusive);
        state = M::apply(state, own);
      } else {
        state = scan_stepwise<M>(block, state, inclusive);
      }
    }
  }

 private:
  static METAL_FUNC ThreadItems<M> block_at(ThreadItems<M> items, uint begin) {
    return {items.line, items.position + begin,
            min(items.count - begin, uint(kBlock))};
  }
  // Whether the fast path is right for a block and no result leaves the range;
  // `own` is the block's aggregate then.
  static METAL_FUNC bool is_safe(ThreadItems<M> block, Prefix state,
                                 thread Aggregate& own) {
    typename Fast::FastAggregate q =
        Scan::reduce(SharedView<M>::of(block), ItemResets<M>::of(block));
    if (!Fast::fast_is_valid(q)) return false;
    own = Fast::fast_aggregate(q);
    return M::is_safe(state, own) && !Fast::is_constant(state) &&
           Fast::fast_applies(state, own);
  }
};

// For results that can leave the range. `resolve` corrects `state`, the prefix
// of a thread's items, and `next`, the carry after the tile. It returns whether
// any result of the tile may be out of the range. Then a thread must scan its
// items step by step if must_step, from the corrected state.
template <class M, bool can_exit>
struct RangeExits {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using RangeExit = typename M::RangeExit;
  static constant constexpr bool kExitSuffices = M::kExitSuffices;

  // The first exits of a line: before a thread's items, and of all of them.
  struct Found {
    RangeExit before;
    RangeExit all;
  };

  static METAL_FUNC RangeExit no_exit() { return M::no_exit(); }
  static METAL_FUNC Found none() { return {M::no_exit(), M::no_exit()}; }

  static METAL_FUNC bool may_exit(Prefix carry, Aggregate total) {
    return !M::is_safe(carry, total);
  }
  static METAL_FUNC bool must_step(Prefix state, Aggregate own) {
    return !M::is_safe(state, own);
  }

  // Exits within the tile, whose total is that of the thread's line, as if
  // there was none before. Returns whether any thread is in doubt; all have to
  // call it.
  static METAL_FUNC bool find(Task<M> task, ThreadItems<M> items, Prefix carry,
                              Aggregate total, ThreadTotal<M> own, Prefix state,
                              bool in_doubt, thread Found& found) {
    // Threads that all scan one line need not ask each other.
    bool is_line = task.thread_layout.line_threads == kThreads;
    if (is_line && !in_doubt && !may_exit(carry, total)) return false;
    // Some carries can only be continued step by step.
    bool mine =
        in_doubt || (task.coord.is_active && (may_exit(state, own.total) ||
                                              may_exit(carry, M::identity())));
    if (!any_thread(mine, task.shared.any_flag)) return false;
    RangeExit own_exit = M::no_exit();
    if (must_step(state, own.total)) {
      own_exit = ItemsInDoubt<M>::first_exit(items, state, own.is_fast);
    }
    ScanResult<EarlierExit<M>> exits = group_scan<EarlierExit<M>>(
        own_exit, task.thread_layout, task.thread_id,
        (threadgroup RangeExit*)task.shared.simdgroup_aggregates);
    found = {exits.before, exits.total};
    return true;
  }

  // Resumes from the exits that were found and from one before the tile.
  static METAL_FUNC void resume(ThreadItems<M> items, uint span,
                                RangeExit entering, Found found,
                                thread Prefix& state, thread Prefix& next) {
    RangeExit before = EarlierExit<M>::combine(entering, found.before);
    RangeExit last = EarlierExit<M>::combine(entering, found.all);
    if (M::has_exited(before)) {
      state = M::resume(state, before, items.line, items.position);
    }
    if (M::has_exited(last)) next = M::resume(next, last, items.line, span);
    // Other threads may still read the tile.
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  static METAL_FUNC bool resolve(Task<M> task, ThreadItems<M> items, uint span,
                                 Prefix carry, Aggregate total,
                                 ThreadTotal<M> own, thread Prefix& state,
                                 thread Prefix& next) {
    Found found = none();
    if (!find(task, items, carry, total, own, state, false, found)) {
      return false;
    }
    resume(items, span, M::exit_of_carry(carry), found, state, next);
    return true;
  }

  static METAL_FUNC Prefix enter(ThreadItems<M> items, Prefix carry) {
    return enter_line<M>(items.line, carry);
  }

  static METAL_FUNC Prefix advance(Prefix s, typename M::Value x) {
    return M::advance(s, x);
  }

  static METAL_FUNC void scan(ThreadItems<M> items, Prefix state, bool is_fast,
                              bool inclusive) {
    ItemsInDoubt<M>::scan(items, state, is_fast, inclusive);
  }
  // As scan, but one item at a time.
  static METAL_FUNC void step(ThreadItems<M> items, Prefix state,
                              bool inclusive) {
    scan_stepwise<M>(items, state, inclusive);
  }
};

template <class M>
struct RangeExits<M, false> {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using RangeExit = uint;
  static constant constexpr bool kExitSuffices = false;

  static METAL_FUNC RangeExit no_exit() { return 0; }
  static METAL_FUNC bool may_exit(Prefix, Aggregate) { return false; }
  static METAL_FUNC bool must_step(Prefix, Aggregate) { return false; }
  static METAL_FUNC bool resolve(Task<M>, ThreadItems<M>, uint, Prefix,
                                 Aggregate, ThreadTotal<M>, thread Prefix&,
                                 thread Prefix&) {
    return false;
  }
  static METAL_FUNC Prefix enter(ThreadItems<M>, Prefix carry) { return carry; }

  static METAL_FUNC Prefix advance(Prefix s, typename M::Value x) {
    return M::advance_unchecked(s, x);
  }
  static METAL_FUNC void scan(ThreadItems<M>, Prefix, bool, bool) {}
  static METAL_FUNC void step(ThreadItems<M> items, Prefix state,
                              bool inclusive) {
    ThreadScan<M>::scan(items, state, {M::identity(), false}, inclusive);
  }
};

}  // namespace upsweep
