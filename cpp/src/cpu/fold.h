// Folds: the totals of lines, side by side or one behind the other.
#pragma once

#include "strip.h"

namespace upsweep {
namespace {

// What is known of some neighbours, out of context.
template <class M>
struct Summary {
  typename M::Total total = M::none();
  typename M::Range range;
};
template <class M>
  requires M::kExact
struct Summary<M> {
  typename M::Running total = M::start();
};

// One more element at the end.
template <class M>
void take(Summary<M>& summary, typename M::Value x) {
  if constexpr (M::kExact) {
    M::advance(summary.total, x);
  } else {
    M::fold(summary.total, x);
    M::widen(summary.range, summary.total, x);
  }
}

template <class M>
using TotalOf = decltype(Summary<M>::total);

template <class M>
struct RangeOfMonoid {
  using Type = NoRange;
};
template <class M>
  requires(!M::kExact)
struct RangeOfMonoid<M> {
  using Type = typename M::Range;
};
template <class M>
using RangeOf = typename RangeOfMonoid<M>::Type;

// Folds the neighbouring lines of a tile, as many as there are lanes.
template <class M, bool bounded>
void fold_lanes(const Tile& tile, TotalOf<M>* totals, RangeOf<M>* ranges) {
  using L = Lanes<M>;
  constexpr bool kBounds = !M::kExact && (bounded || L::kBoundsTell);
  constexpr int kPacks = Strip<M>::kPacks;
  decltype(L::neutral()) sums[kPacks];
  typename L::Bounds bounds[kPacks];
  for (auto& sum : sums) sum = L::neutral();
  Strip<M>::each_row(tile, [&](const auto& row, int pack) UPSWEEP_INLINE {
    sums[pack] = L::combine(sums[pack], row);
    if constexpr (kBounds) bounds[pack].add(sums[pack]);
  });
  for (int p = 0; p < kPacks; ++p) {
    int first = p * kPack<typename M::Value>;
    L::store(sums[p], totals + first);
    if constexpr (kBounds) {
      L::store_bounds(bounds[p], totals + first, ranges + first);
    }
  }
}

// What neighbouring lines are to a dead carry.
template <class M>
void fold_kinds(const Tile& tile, double* kinds) {
  using L = Lanes<M>;
  constexpr int kPacks = Strip<M>::kPacks;
  decltype(L::neutral()) sums[kPacks];
  for (auto& sum : sums) sum = L::neutral();
  Strip<M>::each_row(tile, [&](const auto& row, int pack) UPSWEEP_INLINE {
    sums[pack] = L::combine(sums[pack], L::classify(row));
  });
  for (int p = 0; p < kPacks; ++p) {
    L::kinds(sums[p], kinds + p * kPack<typename M::Value>);
  }
}

// Takes the kinds of neighbouring lines into their ranges.
template <class M>
void mark_kinds(const Tile& tile, const TotalOf<M>* totals,
                RangeOf<M>* ranges) {
  constexpr int n = kLanes<typename M::Value>;
  double kinds[n];
  bool usable = true;
  for (int l = 0; l < n; ++l) {
    kinds[l] = M::kind(totals[l]);
    usable &= M::usable(totals[l]);
  }
  // Of what has left the range a total does not tell the kind.
  if (!usable) fold_kinds<M>(tile, kinds);
  for (int l = 0; l < n; ++l) M::mark(ranges[l], kinds[l]);
}

// Sums of one register each, as many as it has lanes, to one register: lane i
// is the total of sum i.
template <class L, int d = 1, class Sum>
UPSWEEP_INLINE inline Sum fold_square(Sum* sums) {
  constexpr int n = Sum::kSize;
  if constexpr (d == n) {
    return sums[0];
  } else {
    for (int i = 0; i < n / d / 2; ++i) {
      sums[i] = L::merge(runs<d, false>(sums[2 * i], sums[2 * i + 1]),
                         runs<d, true>(sums[2 * i], sums[2 * i + 1]));
    }
    return fold_square<L, 2 * d>(sums);
  }
}

// As fold_lanes, for the segments of one line that lie along memory, of kRows
// elements each: which lane takes an element does not matter, except where
// resolve_ties says so, and nothing needs transposing. Returns false where this
// would lose precision, `bounded` or not.
template <class M, bool bounded>
bool fold_segments(const Tile& tile, TotalOf<M>* totals, RangeOf<M>* ranges) {
  using L = Lanes<M>;
  using U = Bits<typename M::Value>;
  constexpr int n = kLanes<U>, size = kPack<U>;
  constexpr bool kRange = bounded && !M::kExact;
  using One = decltype(part(L::neutral(), 0));
  One sums[n];
  typename L::Mildness mildness;
  typename L::Extremes extremes;
  auto* in = static_cast<const U*>(tile.in);
  int64_t step = tile.in_step * size;
  if (tile.in_step < 0) in -= size - 1;
  for (int l = 0; l < n; ++l) {
    auto sum = L::neutral();
    for (int i = 0; i < kRows / size; ++i, in += step) {
      sum = L::combine(sum, in);
      mildness.add_row(Pack<U>::load(in));
      if ((i + 1) % 8 == 0 || i + 1 == kRows / size) mildness.add_sums(sum);
      if constexpr (kRange) extremes.add(Pack<U>::load(in));
    }
    sums[l] = part(sum, 0);
    for (int i = 1; i < size / One::kSize; ++i) {
      sums[l] = L::merge(sums[l], part(sum, i));
    }
  }
  if (mildness.is_violated()) return false;
  for (int l = 0; l < n; l += One::kSize) {
    L::store(fold_square<L>(sums + l), totals + l);
  }
  if constexpr (requires { L::resolve_ties(tile, totals); }) {
    L::resolve_ties(tile, totals);
  }
  if constexpr (kRange) std::fill_n(ranges, n, extremes.range(kRows / size));
  return true;
}

}  // namespace
}  // namespace upsweep
