// Resets: elements at which a scan starts afresh, as at the beginning of a
// line. WithResets<M> is the monoid M with resets.
//
// Its Aggregate combines the elements since the last reset. What came before
// that, out of the range or not, has no part in results after it. But of a
// thread's items, the bounds of an aggregate hold for all: the results before a
// reset are bounded too.
//
// The fast path is M's. It restarts where the mask of a thread's items has a
// bit (reset_flags.h), by selection, so that threads with resets and those
// without go the same way.
#pragma once

namespace upsweep {

// The identity, with the bounds of an aggregate.
template <class M, bool can_exit>
struct Restart {
  static METAL_FUNC typename M::Aggregate of(typename M::Aggregate t) {
    return M::restart(t);
  }
};
template <class M>
struct Restart<M, false> {
  static METAL_FUNC typename M::Aggregate of(typename M::Aggregate) {
    return M::identity();
  }
};

template <class M>
struct WithResets {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using Fast = typename FastPath<M, M::kHasFastPath>::Fast;
  static constant constexpr bool kCanExitRange = M::kCanExitRange;
  static constant constexpr bool kHasFastPath = true;
  static constant constexpr bool kHasCarryNumbers = M::kHasCarryNumbers;

  struct Aggregate {
    typename M::Aggregate since;  // of the elements since the last reset
    uint has_reset;
  };

  static METAL_FUNC Prefix initial() { return M::initial(); }
  static METAL_FUNC Aggregate identity() { return {M::identity(), 0}; }
  static METAL_FUNC Aggregate accumulate(Aggregate t, Value x) {
    return {M::accumulate(t.since, x), t.has_reset};
  }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    if (b.has_reset != 0) return b;
    return {M::combine(a.since, b.since), a.has_reset};
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {M::shuffle_up(t.since, delta),
            upsweep::shuffle_up(t.has_reset, delta)};
  }
  static METAL_FUNC Prefix from_carry(CarryNumber number) {
    return CarryPrefix<M, kHasCarryNumbers>::of(number);
  }
  // The Prefix that the elements since the last reset continue.
  static METAL_FUNC Prefix before(Prefix s, Aggregate t) {
    if (t.has_reset != 0) return M::initial();
    return s;
  }
  static METAL_FUNC Prefix apply(Prefix s, Aggregate t) {
    return M::apply(before(s, t), t.since);
  }
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return M::advance_unchecked(s, x);
  }
  static METAL_FUNC Prefix advance(Prefix s, Value x) {
    return M::advance(s, x);
  }
  static METAL_FUNC Value value(Prefix s) { return M::value(s); }

  struct FastAggregate {
    typename Fast::FastAggregate since;
    float earlier;  // what M keeps of those before
  };
  using FastPrefix = typename Fast::FastPrefix;
  static METAL_FUNC FastAggregate fast_identity() {
    return {Fast::fast_identity(), 0};
  }
  static METAL_FUNC FastAggregate fast_accumulate(FastAggregate q, Value x) {
    return {Fast::fast_accumulate(q.since, x), q.earlier};
  }
  static METAL_FUNC FastAggregate fast_normalize(FastAggregate q) {
    return {Fast::fast_normalize(q.since), q.earlier};
  }
  static METAL_FUNC bool fast_is_valid(FastAggregate q) {
    return Fast::fast_is_valid(q.since) && q.earlier < power_of_two(kFastRange);
  }
  static METAL_FUNC Aggregate fast_aggregate(FastAggregate q) {
    return {Fast::fast_bounded(Fast::fast_aggregate(q.since), q.earlier), 0};
  }
  static METAL_FUNC bool is_constant(Prefix s) { return Fast::is_constant(s); }
  static METAL_FUNC bool fast_applies(Prefix s, Aggregate own) {
    return Fast::fast_applies(s, own.since) && !Fast::is_constant(s);
  }
  static METAL_FUNC FastPrefix fast_prefix(Prefix s) {
    return Fast::fast_prefix(s);
  }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix q, Value x) {
    return Fast::fast_advance(q, x);
  }
  static METAL_FUNC FastPrefix fast_normalize(FastPrefix q) {
    return Fast::fast_normalize(q);
  }
  static METAL_FUNC Value fast_value(FastPrefix q) {
    return Fast::fast_value(q);
  }
};

template <class M>
struct ItemResets<WithResets<M>> {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using Fast = typename WithResets<M>::Fast;
  using Aggregate = typename WithResets<M>::Aggregate;
  using FastAggregate = typename WithResets<M>::FastAggregate;
  using FastPrefix = typename WithResets<M>::FastPrefix;

  ResetMask mask;

  static METAL_FUNC ItemResets of(ThreadItems<WithResets<M>> items) {
    return {items.resets};
  }
  static METAL_FUNC ItemResets after(ItemResets here, uint n) {
    return {ResetMask::after(here.mask, n)};
  }
  static METAL_FUNC bool any(ItemResets here) {
    return (here.mask.low | here.mask.high) != 0;
  }
  static METAL_FUNC Aggregate restart(ItemResets here, uint i, Aggregate t) {
    if (!is_reset(here, i)) return t;
    return {Restart<M, M::kCanExitRange>::of(t.since), 1};
  }
  static METAL_FUNC FastAggregate restart(ItemResets here, uint i,
                                          FastAggregate q) {
    if (is_reset(here, i)) q.since = Fast::fast_restart(q.since, q.earlier);
    return q;
  }
  static METAL_FUNC Prefix restart_prefix(ItemResets here, uint i, Prefix s) {
    if (is_reset(here, i)) return M::initial();
    return s;
  }
  static METAL_FUNC FastPrefix restart_fast_prefix(ItemResets here, uint i,
                                                   FastPrefix q) {
    if (is_reset(here, i)) return Fast::fast_prefix(M::initial());
    return q;
  }
  static METAL_FUNC Value result_before(ItemResets here, uint i, Value before) {
    if (is_reset(here, i)) return M::value(M::initial());
    return before;
  }
  static METAL_FUNC Aggregate complete(ItemResets here, Aggregate t) {
    return {t.since, uint(any(here))};
  }

  static METAL_FUNC bool is_reset(ItemResets here, uint i) {
    ulong word = i >= 64 ? here.mask.high : here.mask.low;
    return (uint(word >> (i & 63)) & 1) != 0;
  }
};

// The first exit since the last reset, as a monoid for group_scan.
template <class M>
struct ExitSinceReset {
  struct Aggregate {
    typename M::RangeExit since;
    uint has_reset;
  };
  static METAL_FUNC Aggregate identity() { return {M::no_exit(), 0}; }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    if (b.has_reset != 0) return b;
    return {EarlierExit<M>::combine(a.since, b.since), a.has_reset};
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {M::shuffle_up(t.since, delta),
            upsweep::shuffle_up(t.has_reset, delta)};
  }
};

// As for M, but an exit counts only up to the next reset.
template <class M>
struct RangeExits<WithResets<M>, true> {
  using Prefix = typename M::Prefix;
  using RangeExit = typename M::RangeExit;
  using Aggregate = typename WithResets<M>::Aggregate;
  using Items = ThreadItems<WithResets<M>>;
  using Starts = ItemResets<WithResets<M>>;
  using SinceReset = ExitSinceReset<M>;
  // Only where no reset follows.
  static constant constexpr bool kExitSuffices = false;

  static METAL_FUNC RangeExit no_exit() { return M::no_exit(); }

  // Whether the Prefix after `total` is in doubt.
  static METAL_FUNC bool may_exit(Prefix carry, Aggregate total) {
    return !M::is_safe(WithResets<M>::before(carry, total), total.since);
  }

  static METAL_FUNC bool resolve(Task<WithResets<M>> task, Items items,
                                 uint span, Prefix carry, Aggregate,
                                 ThreadTotal<WithResets<M>> own,
                                 thread Prefix& state, thread Prefix& next) {
    bool mine = task.coord.is_active && (!M::is_safe(carry, M::identity()) ||
                                         must_step(state, own.total));
    if (!any_thread(mine, task.shared.any_flag)) return false;
    ScanResult<SinceReset> exits = group_scan<SinceReset>(
        last_exit(items, state), task.thread_layout, task.thread_id,
        (threadgroup
         typename SinceReset::Aggregate*)task.shared.simdgroup_aggregates);
    typename SinceReset::Aggregate entering = {M::exit_of_carry(carry), 0};
    RangeExit before = SinceReset::combine(entering, exits.before).since;
    RangeExit last = SinceReset::combine(entering, exits.total).since;
    if (M::has_exited(before)) {
      state = M::resume(state, before, items.line, items.position);
    }
    if (M::has_exited(last)) next = M::resume(next, last, items.line, span);
    // Other threads may still read the tile.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return true;
  }

  static METAL_FUNC Prefix enter(Items items, Prefix carry) {
    return enter_line<M>(items.line, carry);
  }

  static METAL_FUNC Prefix advance(Prefix s, typename M::Value x) {
    return M::advance(s, x);
  }

  static METAL_FUNC void scan(Items items, Prefix state, bool, bool inclusive) {
    scan_stepwise<WithResets<M>>(items, state, inclusive);
  }
  static METAL_FUNC void step(Items items, Prefix state, bool inclusive) {
    scan(items, state, false, inclusive);
  }

  // Whether a result of a thread's items may leave the range, those before a
  // reset included.
  static METAL_FUNC bool must_step(Prefix state, Aggregate own) {
    return !M::is_safe(state, own.since) ||
           (own.has_reset != 0 && !M::is_safe(M::initial(), own.since));
  }

 private:
  static METAL_FUNC typename SinceReset::Aggregate last_exit(Items items,
                                                             Prefix state) {
    Starts resets = Starts::of(items);
    RangeExit exit = M::no_exit();
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (Starts::is_reset(resets, i)) {
        state = M::initial();
        exit = M::no_exit();
      }
      Prefix after = M::advance(state, get(items.line, items.position + i));
      if (M::is_live(state) && !M::is_live(after)) {
        exit = M::exit_at(after, items.position + i + 1);
      }
      state = after;
    }
    return {exit, uint(Starts::any(resets))};
  }
};

}  // namespace upsweep
