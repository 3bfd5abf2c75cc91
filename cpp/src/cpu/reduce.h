// Reductions: the aggregates of lines or stripes, side by side.
#pragma once

#include "lane_group.h"

namespace upsweep {
namespace {

// The aggregate of neighbouring elements and the range of their prefixes.
template <class M>
struct Summary {
  typename M::Aggregate aggregate = M::identity();
  typename M::PrefixRange range;
};
template <class M>
  requires M::kAssociative
struct Summary<M> {
  typename M::Prefix aggregate = M::initial();
};

// Appends an element.
template <class M>
void accumulate(Summary<M>& summary, typename M::Value x) {
  if constexpr (M::kAssociative) {
    M::advance(summary.aggregate, x);
  } else {
    M::accumulate(summary.aggregate, x);
    M::include(summary.range, summary.aggregate, x);
  }
}

template <class M>
using AggregateOf = decltype(Summary<M>::aggregate);

template <class M>
struct PrefixRangeOfMonoid {
  using Type = NoPrefixRange;
};
template <class M>
  requires(!M::kAssociative)
struct PrefixRangeOfMonoid<M> {
  using Type = typename M::PrefixRange;
};
template <class M>
using PrefixRangeOf = typename PrefixRangeOfMonoid<M>::Type;

// As reduce_lanes, for any elements.
template <class M>
void reduce_any_lanes(const Tile& tile, AggregateOf<M>* aggregates,
                      PrefixRangeOf<M>* ranges) {
  constexpr int kPacks = LaneGroup<M>::kPacks;
  typename Lanes<M>::AnyAggregates of[kPacks];
  LaneGroup<M>::each_row(tile, [&](const auto& row, int pack)
                                   UPSWEEP_INLINE { of[pack].add(row); });
  for (int p = 0; p < kPacks; ++p) {
    int first = p * kPack<typename M::Value>;
    of[p].store(aggregates + first, ranges + first);
  }
}

// Reduces the lines of a tile, one in each lane.
template <class M, bool bounded>
void reduce_lanes(const Tile& tile, AggregateOf<M>* aggregates,
                  PrefixRangeOf<M>* ranges) {
  using L = Lanes<M>;
  constexpr bool kBounds = kMaySaturate<M> && (bounded || L::kNeedsBounds);
  constexpr int kPacks = LaneGroup<M>::kPacks;
  decltype(L::identity()) sums[kPacks];
  typename L::PrefixBounds bounds[kPacks];
  for (auto& sum : sums) sum = L::identity();
  auto add = [&](const auto& row, int pack) UPSWEEP_INLINE {
    sums[pack] = L::accumulate(sums[pack], row);
    if constexpr (kBounds) bounds[pack].add(sums[pack]);
  };
  if constexpr (L::kNeedsBounds) {
    // In pieces, because numbers that are out of bounds may be slow, too.
    Tile piece = tile;
    for (int64_t row = 0; row < tile.length; row += piece.length) {
      piece.length = std::min<int64_t>(kCheckedRows, tile.length - row);
      piece.in =
          static_cast<const typename M::Value*>(tile.in) + row * tile.in_step;
      LaneGroup<M>::each_row(piece, add);
      for (const auto& of_pack : bounds) {
        if (!L::are_certain(of_pack)) {
          return reduce_any_lanes<M>(tile, aggregates, ranges);
        }
      }
    }
  } else {
    LaneGroup<M>::each_row(tile, add);
  }
  for (int p = 0; p < kPacks; ++p) {
    int first = p * kPack<typename M::Value>;
    L::store(sums[p], aggregates + first);
    if constexpr (kBounds) {
      L::store_bounds(bounds[p], ranges + first);
    }
  }
}

// Combines the special classes of each line.
template <class M>
void reduce_classes(const Tile& tile, double* classes) {
  using L = Lanes<M>;
  constexpr int kPacks = LaneGroup<M>::kPacks;
  decltype(L::identity()) sums[kPacks];
  for (auto& sum : sums) sum = L::identity();
  LaneGroup<M>::each_row(tile, [&](const auto& row, int pack) UPSWEEP_INLINE {
    sums[pack] = L::accumulate(sums[pack], L::classify(row));
  });
  for (int p = 0; p < kPacks; ++p) {
    L::store_classes(sums[p], classes + p * kPack<typename M::Value>);
  }
}

// Adds the special classes of the lines to their ranges.
template <class M>
void add_special_classes(const Tile& tile, const AggregateOf<M>* aggregates,
                         PrefixRangeOf<M>* ranges) {
  constexpr int n = kLanes<typename M::Value>;
  double classes[n];
  bool is_usable = true;
  for (int l = 0; l < n; ++l) {
    classes[l] = M::special_class(aggregates[l]);
    is_usable &= M::is_usable(aggregates[l]);
  }
  // The aggregate of a line that left the range does not tell its class.
  if (!is_usable) reduce_classes<M>(tile, classes);
  for (int l = 0; l < n; ++l) M::add_class(ranges[l], classes[l]);
}

// Reduces as many registers as a register has lanes to one register, whose lane
// i is the aggregate of register i.
template <class L, int d = 1, class Sum>
UPSWEEP_INLINE inline Sum reduce_square(Sum* sums) {
  constexpr int n = Sum::kSize;
  if constexpr (d == n) {
    return sums[0];
  } else {
    for (int i = 0; i < n / d / 2; ++i) {
      sums[i] = L::combine(runs<d, false>(sums[2 * i], sums[2 * i + 1]),
                           runs<d, true>(sums[2 * i], sums[2 * i + 1]));
    }
    return reduce_square<L, 2 * d>(sums);
  }
}

template <class L, class U>
UPSWEEP_INLINE inline auto identity_for(const U* rows, int64_t step,
                                        int count) {
  if constexpr (requires { L::identity_for(rows, step, count); }) {
    return L::identity_for(rows, step, count);
  } else {
    return L::identity();
  }
}

// A combination in one register, and those of all stripes of a block.
template <class M>
using SumOfStripes = decltype(part(Lanes<M>::identity(), 0));
template <class M>
using StripeSums =
    SumOfStripes<M>[kLanes<typename M::Value> / SumOfStripes<M>::kSize];

// As reduce_lanes, for stripes of kRows elements of a line along memory, with
// one range that is right for each stripe. Any lane can take any element, so
// nothing is transposed; resolve_ties corrects what depends on order. Returns
// false if another order could lose precision, whether `bounded` or not.
// With bounds, where a whole tile is reduced before it is scanned, this also
// prefetches the next tile: it leaves memory more time than the scan, which
// writes results.
template <class M, bool bounded>
bool reduce_stripes(const Tile& tile, StripeSums<M>& of_stripes,
                    PrefixRangeOf<M>& range) {
  using L = Lanes<M>;
  using U = Bits<typename M::Value>;
  constexpr int n = kLanes<U>, size = kPack<U>;
  constexpr bool kRange = bounded && kMaySaturate<M>;
  using One = SumOfStripes<M>;
  One sums[n];
  const Keys<M> keys(tile.key_mask);
  typename L::ReassociationGuard guard;
  typename L::ElementRange element_range;
  auto* in = static_cast<const U*>(tile.in);
  int64_t step = tile.in_step * size;
  if (tile.in_step < 0) in -= size - 1;
  uintptr_t next = tile.next_read;
  for (int l = 0; l < n; ++l) {
    auto sum = identity_for<L>(in, step, kRows / size);
    for (int i = 0; i < kRows / size; ++i, in += step) {
      if constexpr (bounded) {
        prefetch(next);
        next += sizeof(Pack<U>);
      }
      if constexpr (Keys<M>::kAreElements) {
        sum = L::accumulate(sum, in);
      } else {
        sum = L::accumulate(sum, keys.of(Pack<U>::load(in)));
      }
      guard.add_row(Pack<U>::load(in));
      if ((i + 1) % 8 == 0 || i + 1 == kRows / size) guard.add_sums(sum);
      if constexpr (kRange) element_range.add(Pack<U>::load(in));
    }
    sums[l] = part(sum, 0);
    for (int i = 1; i < size / One::kSize; ++i) {
      sums[l] = L::combine(sums[l], part(sum, i));
    }
  }
  if (guard.is_violated()) return false;
  for (int l = 0; l < n; l += One::kSize) {
    of_stripes[l / One::kSize] = reduce_square<L>(sums + l);
  }
  if constexpr (kRange) range = element_range.range(kRows / size);
  return true;
}

// Writes what reduce_stripes found as aggregates.
template <class M>
void store_sums(const Tile& tile, const StripeSums<M>& of_stripes,
                AggregateOf<M>* aggregates) {
  using L = Lanes<M>;
  for (int l = 0; l < kLanes<typename M::Value>; l += SumOfStripes<M>::kSize) {
    L::store(of_stripes[l / SumOfStripes<M>::kSize], aggregates + l);
  }
  if constexpr (requires { L::resolve_ties(tile, aggregates); }) {
    L::resolve_ties(tile, aggregates);
  }
}

}  // namespace
}  // namespace upsweep
