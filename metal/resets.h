// Resets: elements at which a scan starts afresh, as at the beginning of a
// line. WithResets<M> is the monoid M with resets.
//
// Its Aggregate combines the elements since the last reset. What came before
// that, out of the range or not, has no part in results after it. Each element
// has one byte in `resets`, at the index of its result, which is not 0 if the
// element is a reset. Threads read those of their items into a mask.
//
// There is no fast path.
#pragma once

namespace upsweep {

// Which of a thread's items are resets.
struct ResetMask {
  ulong low;
  ulong high;  // of the items from the 64th on
};

template <uint items>
METAL_FUNC bool is_reset(ResetMask mask, uint i) {
  ulong word = items > 64 && i >= 64 ? mask.high : mask.low;
  return (uint(word >> (i & 63)) & 1) != 0;
}
METAL_FUNC bool has_reset(ResetMask mask) {
  return (mask.low | mask.high) != 0;
}

// Flags that a thread loads before it uses the first.
constant constexpr uint kFlagBatch = 8;

// Those of a tile that begins at `first`.
template <class M>
METAL_FUNC ResetMask read_resets(Task<M> task, constant ScanParams& params,
                                 int64_t first, ThreadItems<M> items) {
  int64_t at = task.panel.out +
               (first + items.position) * params.length.out_step +
               int64_t(task.coord.column) * params.column.out_step +
               int64_t(task.coord.batch) * params.batch.out_step;
  int64_t step = params.length.out_step >> params.reset_shift;
  device const uchar* flags = task.resets + (at >> params.reset_shift);
  ResetMask mask = {0, 0};
  UPSWEEP_ROLL
  for (uint begin = 0; begin < items.count; begin += kFlagBatch) {
    uint some = 0;
    UPSWEEP_UNROLL
    for (uint j = 0; j < kFlagBatch; ++j) {
      uint i = begin + j;
      if (i < items.count) some |= uint(flags[int64_t(i) * step] != 0) << j;
    }
    ulong bits = ulong(some) << (begin & 63);
    if (begin < 64) {
      mask.low |= bits;
    } else {
      mask.high |= bits;
    }
  }
  return mask;
}

template <class M>
struct WithResets {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  static constant constexpr bool kCanExitRange = M::kCanExitRange;
  static constant constexpr bool kHasCarryNumbers = M::kHasCarryNumbers;

  struct Aggregate {
    typename M::Aggregate since;  // of the elements since the last reset
    uint has_reset;
  };

  static METAL_FUNC Prefix initial() { return M::initial(); }
  static METAL_FUNC Aggregate identity() { return {M::identity(), 0}; }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    if (b.has_reset != 0) return b;
    return {M::combine(a.since, b.since), a.has_reset};
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return {M::shuffle_up(t.since, delta),
            upsweep::shuffle_up(t.has_reset, delta)};
  }
  static METAL_FUNC Prefix advance_unchecked(Prefix s, Value x) {
    return M::advance_unchecked(s, x);
  }
  static METAL_FUNC Value value(Prefix s) { return M::value(s); }
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
};

template <class M>
struct ThreadItems<WithResets<M>> {
  using Value = typename M::Value;
  static constant constexpr uint kItems = items(sizeof(Value));
  static constant constexpr uint kArrays = 1;
  static_assert(kItems <= 128, "room in a mask");
  Line<Value> line;
  uint position;  // of the first element in the line
  uint count;
  ResetMask resets = {0, 0};

  static METAL_FUNC bool is_reset(ThreadItems here, uint i) {
    return upsweep::is_reset<kItems>(here.resets, i);
  }
  static METAL_FUNC bool has_reset(ThreadItems here) {
    return upsweep::has_reset(here.resets);
  }
};

template <class M>
struct Resets<WithResets<M>> {
  using Items = ThreadItems<WithResets<M>>;
  static constant constexpr uint kBytes = kResetBytes;

  static METAL_FUNC Items read(Task<WithResets<M>> task,
                               constant ScanParams& params, int64_t first,
                               Items items) {
    items.resets = read_resets(task, params, first, items);
    return items;
  }
};

template <class M>
struct ExactPath<WithResets<M>> {
  using Prefix = typename M::Prefix;
  using Aggregate = typename WithResets<M>::Aggregate;
  using Items = ThreadItems<WithResets<M>>;

  static METAL_FUNC Aggregate reduce(Items items) {
    typename M::Aggregate since = M::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (Items::is_reset(items, i)) since = M::identity();
      since = M::accumulate(since, get(items.line, items.position + i));
    }
    return {since, uint(Items::has_reset(items))};
  }

  static METAL_FUNC void scan(Items items, Prefix state, bool inclusive) {
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (Items::is_reset(items, i)) state = M::initial();
      Prefix after =
          M::advance_unchecked(state, get(items.line, items.position + i));
      put(items.line, items.position + i, M::value(inclusive ? after : state));
      state = after;
    }
  }
};

template <class M>
struct ThreadScan<WithResets<M>> {
  using Prefix = typename M::Prefix;
  using Aggregate = typename WithResets<M>::Aggregate;
  using Items = ThreadItems<WithResets<M>>;

  static METAL_FUNC Aggregate reduce(Items items, thread bool& is_fast) {
    is_fast = false;
    return ExactPath<WithResets<M>>::reduce(items);
  }
  static METAL_FUNC void scan(Items items, Prefix state, Aggregate, bool,
                              bool inclusive) {
    ExactPath<WithResets<M>>::scan(items, state, inclusive);
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
  using SinceReset = ExitSinceReset<M>;

  // Whether the Prefix after `total` is in doubt.
  static METAL_FUNC bool may_exit(Prefix carry, Aggregate total) {
    return !M::is_safe(WithResets<M>::before(carry, total), total.since);
  }

  static METAL_FUNC bool resolve(Task<WithResets<M>> task, Items items,
                                 uint span, Prefix carry, Aggregate own,
                                 thread Prefix& state, thread Prefix& next) {
    bool mine = task.coord.is_active && (!M::is_safe(carry, M::identity()) ||
                                         !is_safe(items, state, own));
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

  static METAL_FUNC Prefix advance(Prefix s, typename M::Value x) {
    return M::advance(s, x);
  }

  static METAL_FUNC void scan(Items items, Prefix state, bool inclusive) {
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (Items::is_reset(items, i)) state = M::initial();
      Prefix after = M::advance(state, get(items.line, items.position + i));
      put(items.line, items.position + i, M::value(inclusive ? after : state));
      state = after;
    }
  }

 private:
  // Whether no result of a thread's items leaves the range, those before a
  // reset included.
  static METAL_FUNC bool is_safe(Items items, Prefix state, Aggregate own) {
    if (!Items::has_reset(items)) return M::is_safe(state, own.since);
    typename M::Aggregate piece = M::identity();
    bool safe = true;
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (Items::is_reset(items, i)) {
        safe = safe && M::is_safe(state, piece);
        state = M::initial();
        piece = M::identity();
      }
      piece = M::accumulate(piece, get(items.line, items.position + i));
    }
    return safe && M::is_safe(state, piece);
  }

  static METAL_FUNC typename SinceReset::Aggregate last_exit(Items items,
                                                             Prefix state) {
    RangeExit exit = M::no_exit();
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (Items::is_reset(items, i)) {
        state = M::initial();
        exit = M::no_exit();
      }
      Prefix after = M::advance(state, get(items.line, items.position + i));
      if (M::is_live(state) && !M::is_live(after)) {
        exit = M::exit_at(after, items.position + i + 1);
      }
      state = after;
    }
    return {exit, uint(Items::has_reset(items))};
  }
};

}  // namespace upsweep
