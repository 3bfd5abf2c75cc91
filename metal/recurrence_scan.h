// How a thread's items of a recurrence are loaded, reduced and scanned: like
// those of a scan, but in pairs. The tile of the terms b follows that of the
// factors a in threadgroup memory, at the same shift; results replace the
// factors. Resets are read as in reset_flags.h. On the fast path they are
// factors of 0.
#pragma once

namespace upsweep {

template <class F>
struct ThreadItems<Recurrence<F>> {
  using Value = typename F::Value;
  static constant constexpr uint kItems =
      pair_items(items(2 * sizeof(Value)), sizeof(Value));
  static_assert(kItems <= 64, "room in the low half of a mask");
  Line<Value, kItems> line;
  uint position;  // of the first element in the line
  uint count;
  ResetMask resets = {0, 0};
  Line<Value, kItems> terms = {};

  // As items of the other array.
  static METAL_FUNC ThreadItems of_terms(ThreadItems here) {
    here.line = here.terms;
    return here;
  }
  static METAL_FUNC bool is_reset(ThreadItems here, uint i) {
    return (uint(here.resets.low >> i) & 1) != 0;
  }
  static METAL_FUNC bool has_reset(ThreadItems here) {
    return here.resets.low != 0;
  }
};

template <class F>
struct Resets<Recurrence<F>> {
  using M = Recurrence<F>;
  using Value = typename F::Value;
  using Items = ThreadItems<M>;
  using Flags = ResetFlags<M>;
  using TileOut = Layout<Value>;
  static constant constexpr uint kTileVectors =
      tile_vectors(Items::kItems, sizeof(Value));
  static constant constexpr uint kBytes = kResetBytes;
  static constant constexpr uint kVectors = Flags::kVectors + kTileVectors;
  static constant constexpr bool kHasSecond = true;

  static METAL_FUNC void load(Task<M> task, constant ScanParams& params,
                              int64_t first, uint span, TileOut out) {
    if (params.reads_resets != 0) Flags::load(task, params, out);
    Layout<Value> terms = layout_second<Value>(params, task.panel, first, span);
    using IO = TileIO<Value, Items::kItems>;
    uint thread_index = index_of(task.thread_id);
    if (Layout<Value>::are_equal(terms, out)) {
      IO::load(task.second, tile_of_terms(task), terms, out.shift,
               thread_index);
    } else {
      IO::load_to(task.second, tile_of_terms(task), terms,
                  places_second<Value>(params, task.panel, span, out),
                  thread_index);
    }
  }

  static METAL_FUNC Items read(Task<M> task, constant ScanParams& params,
                               uint span, TileOut out, Items items) {
    if (params.reads_resets != 0) {
      items = Flags::read(task, params, span, out, items);
    }
    items.terms = items.line;
    items.terms.tile = tile_of_terms(task);
    return items;
  }

 private:
  // Behind that of the factors, and the flags that its padding has no room for.
  static METAL_FUNC threadgroup uint* tile_of_terms(Task<M> task) {
    return task.shared.tile + 4 * (kTileVectors + Flags::kVectors);
  }
};

template <class F>
struct ExactPath<Recurrence<F>> {
  using M = Recurrence<F>;
  using Value = typename F::Value;
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using Items = ThreadItems<M>;

  static METAL_FUNC Aggregate element(Items items, uint i) {
    return M::element(get(items.line, items.position + i),
                      get(items.terms, items.position + i),
                      Items::is_reset(items, i));
  }

  static METAL_FUNC Aggregate reduce(Items items) {
    Aggregate total = M::identity();
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      total = M::combine(total, element(items, i));
    }
    return total;
  }

  // Scans the items from the `begin`-th on.
  static METAL_FUNC void scan(Items items, uint begin, Prefix state,
                              bool inclusive) {
    UPSWEEP_ROLL
    for (uint i = begin; i < items.count; ++i) {
      Prefix after = M::apply(state, element(items, i));
      put(items.line, items.position + i, M::value(inclusive ? after : state));
      state = after;
    }
  }
};

// Both arrays are read by the same pattern.
template <class F, uint pattern>
struct PatternScan<Recurrence<F>, pattern> {
  using M = Recurrence<F>;
  using Value = typename F::Value;
  using L = AccessPattern<M, pattern>;
  using Tile = RegisterTile<M, pattern>;
  static constant constexpr uint kItems = Tile::kItems;
  static_assert(kItems % kPairsApart == 0, "whole runs between normalisations");

  static METAL_FUNC typename M::FastAggregate reduce(SharedView<M> factors,
                                                     SharedView<M> terms) {
    typename M::FastAggregate q = M::fast_identity();
    UPSWEEP_ROLL
    for (uint begin = 0; begin < factors.count; begin += kItems) {
      Tile a = read_factors(factors, begin);
      Tile b = L::read(terms, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) {
        q = M::fast_accumulate(q, a.item[i], b.item[i]);
        if (i % kPairsApart == kPairsApart - 1) q = M::fast_normalize(q);
      }
    }
    return q;
  }

  // Returns how many items it has scanned: it stops before the first register
  // tile in which the fast path is wrong. `q` is the prefix there.
  static METAL_FUNC uint scan(SharedView<M> factors, SharedView<M> terms,
                              thread typename M::FastPrefix& q,
                              bool inclusive) {
    UPSWEEP_ROLL
    for (uint begin = 0; begin < factors.count; begin += kItems) {
      Tile a = read_factors(factors, begin);
      Tile b = L::read(terms, begin);
      typename M::FastPrefix after = q;
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) {
        Value before = M::fast_value(after);
        after = M::fast_advance(after, a.item[i], b.item[i]);
        a.item[i] = inclusive ? M::fast_value(after) : before;
        if (i % kPairsApart == kPairsApart - 1) {
          after = M::fast_normalize(after);
        }
      }
      if (!M::fast_is_valid(after)) return begin;
      q = after;
      L::write(factors, begin, a);
    }
    return factors.count;
  }

 private:
  // Beyond the last one, factors are 1 and terms are 0.
  static METAL_FUNC Tile read_factors(SharedView<M> factors, uint begin) {
    Tile a = L::read(factors, begin);
    UPSWEEP_UNROLL
    for (uint i = 0; pattern == kStrided && i < kItems; ++i) {
      if (begin + i >= factors.count) a.item[i] = F::narrow(kOneBits);
    }
    return a;
  }
};

template <class F>
struct ThreadScan<Recurrence<F>> {
  using M = Recurrence<F>;
  using Prefix = typename M::Prefix;
  using Aggregate = typename M::Aggregate;
  using Items = ThreadItems<M>;

  static METAL_FUNC ThreadTotal<M> reduce(Items items) {
    clear_resets(items);
    SharedView<M> factors = SharedView<M>::of(items);
    SharedView<M> terms = SharedView<M>::of(Items::of_terms(items));
    typename M::FastAggregate q;
    uint pattern = factors.pattern;  // of the terms too
    if (pattern == kForward) {
      q = PatternScan<M, kForward>::reduce(factors, terms);
    } else if (pattern == kBackward) {
      q = PatternScan<M, kBackward>::reduce(factors, terms);
    } else if (pattern == kPeriodic) {
      q = PatternScan<M, kPeriodic>::reduce(factors, terms);
    } else {
      q = PatternScan<M, kStrided>::reduce(factors, terms);
    }
    if (!M::fast_is_valid(q)) return {ExactPath<M>::reduce(items), false};
    return {M::fast_aggregate(q, Items::has_reset(items)), true};
  }

  static METAL_FUNC void scan(Items items, Prefix state, ThreadTotal<M> own,
                              bool inclusive) {
    SharedView<M> factors = SharedView<M>::of(items);
    SharedView<M> terms = SharedView<M>::of(Items::of_terms(items));
    uint done = 0;
    if (own.is_fast && M::fast_applies(state)) {
      typename M::FastPrefix q = M::fast_prefix(state);
      uint pattern = factors.pattern;
      if (pattern == kForward) {
        done = PatternScan<M, kForward>::scan(factors, terms, q, inclusive);
      } else if (pattern == kBackward) {
        done = PatternScan<M, kBackward>::scan(factors, terms, q, inclusive);
      } else if (pattern == kPeriodic) {
        done = PatternScan<M, kPeriodic>::scan(factors, terms, q, inclusive);
      } else {
        done = PatternScan<M, kStrided>::scan(factors, terms, q, inclusive);
      }
      if (done < items.count) state = M::exact_prefix(q);
    }
    ExactPath<M>::scan(items, done, state, inclusive);
    if (!inclusive) clear_resets(items);
  }

 private:
  // Puts zeros where the resets are.
  static METAL_FUNC void clear_resets(Items items) {
    if (!Items::has_reset(items)) return;
    UPSWEEP_ROLL
    for (uint i = 0; i < items.count; ++i) {
      if (!Items::is_reset(items, i)) continue;
      put(items.line, items.position + i, typename F::Value(0));
    }
  }
};

// Recurrences have no carries to give.
template <class F>
struct CarryOutput<Recurrence<F>> {
  using M = Recurrence<F>;
  static METAL_FUNC void store(Task<M>, constant ScanParams&, uint,
                               typename M::Prefix, typename M::Aggregate) {}
};

}  // namespace upsweep
