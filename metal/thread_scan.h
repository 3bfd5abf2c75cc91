// A thread's scan of its items of a tile: from threadgroup memory into
// registers, one register tile after another, and back to the same positions.
#pragma once

namespace upsweep {

// Which of a thread's items are resets, at which a scan starts afresh: none,
// except for WithResets (resets.h). What it is given comes back as it is before
// the i-th item.
template <class M>
struct ItemResets {
  using Value = typename M::Value;

  static METAL_FUNC ItemResets of(ThreadItems<M>) { return {}; }
  // Without the first n items.
  static METAL_FUNC ItemResets after(ItemResets, uint) { return {}; }
  static METAL_FUNC bool any(ItemResets) { return false; }

  template <class Aggregate>
  static METAL_FUNC Aggregate restart(ItemResets, uint, Aggregate total) {
    return total;
  }
  template <class Prefix>
  static METAL_FUNC Prefix restart_prefix(ItemResets, uint, Prefix state) {
    return state;
  }
  template <class FastPrefix>
  static METAL_FUNC FastPrefix restart_fast_prefix(ItemResets, uint,
                                                   FastPrefix q) {
    return q;
  }
  // The result of an exclusive scan.
  static METAL_FUNC Value result_before(ItemResets, uint, Value before) {
    return before;
  }
  // Of all items, which the fast path has reduced.
  template <class Aggregate>
  static METAL_FUNC Aggregate complete(ItemResets, Aggregate total) {
    return total;
  }
};

// What a thread's items amount to, and whether the fast path is right for them.
template <class M>
struct ThreadTotal {
  typename M::Aggregate total;
  bool is_fast;
};

// The path that is right for any elements, one at a time.
template <class M>
struct ExactPath {
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;

  static METAL_FUNC Aggregate reduce(ThreadItems<M> items) {
    ItemResets<M> resets = ItemResets<M>::of(items);
    Aggregate total = M::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      total = ItemResets<M>::restart(resets, i, total);
      total = M::accumulate(total, get(items.line, items.position + i));
    }
    return total;
  }

  // Scans from the prefix before the first item.
  static METAL_FUNC void scan(ThreadItems<M> items, Prefix state,
                              bool inclusive) {
    ItemResets<M> resets = ItemResets<M>::of(items);
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      state = ItemResets<M>::restart_prefix(resets, i, state);
      Prefix after =
          M::advance_unchecked(state, get(items.line, items.position + i));
      put(items.line, items.position + i, M::value(inclusive ? after : state));
      state = after;
    }
  }
};

// The fast path of a monoid that has none of its own: the exact one is fast
// enough.
template <class M, bool has_one>
struct FastPath {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using FastAggregate = Aggregate;
  using FastPrefix = Prefix;
  using Fast = FastPath;

  static METAL_FUNC FastAggregate fast_identity() { return M::identity(); }
  static METAL_FUNC FastAggregate fast_accumulate(FastAggregate q, Value x) {
    return M::accumulate(q, x);
  }
  static METAL_FUNC Aggregate fast_normalize(Aggregate q) { return q; }
  static METAL_FUNC FastAggregate fast_restart(FastAggregate, thread float&) {
    return M::identity();
  }
  static METAL_FUNC Aggregate fast_bounded(Aggregate t, float) { return t; }
  static METAL_FUNC bool fast_is_valid(FastAggregate) { return true; }
  static METAL_FUNC Aggregate fast_aggregate(FastAggregate q) { return q; }
  static METAL_FUNC bool is_constant(Prefix) { return false; }
  static METAL_FUNC bool fast_applies(Prefix, Aggregate) { return true; }
  static METAL_FUNC FastPrefix fast_prefix(Prefix s) { return s; }
  static METAL_FUNC FastPrefix fast_advance(FastPrefix s, Value x) {
    return M::advance_unchecked(s, x);
  }
  static METAL_FUNC Value fast_value(FastPrefix s) { return M::value(s); }
};
template <class M>
struct FastPath<M, true> {
  using Fast = M;
};

// A path for a thread whose items suit the fast path, but whose results are
// near an end of the range; only for products (range_end.h).
template <class M>
struct RangeEnd {
  static constant constexpr bool kIsKnown = false;

  template <class RangeExit>
  static METAL_FUNC RangeExit first_exit(ThreadItems<M>, typename M::Prefix) {
    return RangeExit();
  }
  static METAL_FUNC void scan(ThreadItems<M>, typename M::Prefix, bool) {}
};

// Reduces and scans items of a known access pattern on the fast path.
template <class M, uint pattern>
struct PatternScan {
  using Value = typename M::Value;
  using Fast = typename FastPath<M, M::kHasFastPath>::Fast;
  using L = AccessPattern<M, pattern>;
  static constant constexpr uint kItems = RegisterTile<M, pattern>::kItems;

  static METAL_FUNC typename Fast::FastAggregate reduce(SharedView<M> here,
                                                        ItemResets<M> resets) {
    typename Fast::FastAggregate q = Fast::fast_identity();
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += kItems) {
      RegisterTile<M, pattern> s = L::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) {
        q = ItemResets<M>::restart(resets, i, q);
        q = Fast::fast_accumulate(q, s.item[i]);
      }
      q = Fast::fast_normalize(q);
      resets = ItemResets<M>::after(resets, kItems);
    }
    return q;
  }

  // `before` is the value of the prefix. With is_constant, all results equal
  // it.
  static METAL_FUNC void scan(SharedView<M> here, ItemResets<M> resets,
                              typename Fast::FastPrefix q, Value before,
                              bool is_constant, bool inclusive) {
    if (is_constant) {
      RegisterTile<M, pattern> s;
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) s.item[i] = before;
      UPSWEEP_ROLL
      for (uint begin = 0; begin < here.count; begin += kItems) {
        L::write(here, begin, s);
      }
      return;
    }
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += kItems) {
      RegisterTile<M, pattern> s = L::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) {
        q = ItemResets<M>::restart_fast_prefix(resets, i, q);
        q = Fast::fast_advance(q, s.item[i]);
        s.item[i] = Fast::fast_value(q);
      }
      q = Fast::fast_normalize(q);
      if (!inclusive) {
        Value up_to = s.item[kItems - 1];
        UPSWEEP_UNROLL
        for (uint i = kItems - 1; i > 0; --i) s.item[i] = s.item[i - 1];
        s.item[0] = before;
        before = up_to;
        UPSWEEP_UNROLL
        for (uint i = 0; i < kItems; ++i) {
          s.item[i] = ItemResets<M>::result_before(resets, i, s.item[i]);
        }
      }
      resets = ItemResets<M>::after(resets, kItems);
      L::write(here, begin, s);
    }
  }
};

// Takes the fast path if it is right, else the exact one or that of RangeEnd.
template <class M>
struct ThreadScan {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using Fast = typename FastPath<M, M::kHasFastPath>::Fast;

  static METAL_FUNC ThreadTotal<M> reduce(ThreadItems<M> items) {
    SharedView<M> here = SharedView<M>::of(items);
    ItemResets<M> resets = ItemResets<M>::of(items);
    typename Fast::FastAggregate q;
    if (here.pattern == kForward) {
      q = PatternScan<M, kForward>::reduce(here, resets);
    } else if (here.pattern == kBackward) {
      q = PatternScan<M, kBackward>::reduce(here, resets);
    } else if (here.pattern == kPeriodic) {
      q = PatternScan<M, kPeriodic>::reduce(here, resets);
    } else {
      q = PatternScan<M, kStrided>::reduce(here, resets);
    }
    if (!Fast::fast_is_valid(q)) return {ExactPath<M>::reduce(items), false};
    return {ItemResets<M>::complete(resets, Fast::fast_aggregate(q)), true};
  }

  // Results replace the elements; own is what reduce returned.
  static METAL_FUNC void scan(ThreadItems<M> items, Prefix state,
                              ThreadTotal<M> own, bool inclusive) {
    SharedView<M> here = SharedView<M>::of(items);
    ItemResets<M> resets = ItemResets<M>::of(items);
    Value before = M::value(state);
    bool is_constant =
        own.is_fast && !ItemResets<M>::any(resets) && Fast::is_constant(state);
    if (!is_constant &&
        (!own.is_fast || !Fast::fast_applies(state, own.total))) {
      if (RangeEnd<M>::kIsKnown && own.is_fast) {
        RangeEnd<M>::scan(items, state, inclusive);
      } else {
        ExactPath<M>::scan(items, state, inclusive);
      }
      return;
    }
    typename Fast::FastPrefix q = Fast::fast_prefix(state);
    if (here.pattern == kForward) {
      PatternScan<M, kForward>::scan(here, resets, q, before, is_constant,
                                     inclusive);
    } else if (here.pattern == kBackward) {
      PatternScan<M, kBackward>::scan(here, resets, q, before, is_constant,
                                      inclusive);
    } else if (here.pattern == kPeriodic) {
      PatternScan<M, kPeriodic>::scan(here, resets, q, before, is_constant,
                                      inclusive);
    } else {
      PatternScan<M, kStrided>::scan(here, resets, q, before, is_constant,
                                     inclusive);
    }
  }
};

}  // namespace upsweep
