// Lanes: a monoid on neighbouring lines at once, one line in each lane.
//
// Lanes<M> has
//
//   Carry      a Prefix for each of kLanes lines, with get(lane) and
//              set(lane, p)
//
// and lane scanners. A lane scanner starts from the Carry and scans as many
// lines as a Pack has lanes: results() gives the results so far, step turns a
// row of elements into a row of results, and finish stores the Carry and
// returns false if a lane left the range that the scanner can compute. The
// scanners are
//
//   Fast       for lanes within the range; its results are invalid if finish
//              returns false. If kHasStripes is true, reset starts lanes with
//              a flag from the identity
//   FastLines  as Fast, for lines along memory, at most kRows rows at a time
//   Exact      always right; finish returns false if a lane saturated
//
// A fast scanner may have is_good, whether its results are valid so far, and
// suits, whether a first row of elements looks good. Lanes may have
// are_saturated, whether Fast computes all lanes of a carry since none is live.
//
// If kHasStripes is true, a long line can be cut into stripes, one for each
// lane. Then there is also what reduce.h needs:
//
//   start_stripes   sets the Carry of each stripe, from the Prefix before the
//                   first stripe and the aggregates of what lies between
//   identity        the aggregates of no rows, in registers
//   accumulate      aggregates and a row, or the row at an address
//   combine         aggregates and aggregates, of any number of lanes
//   store           writes aggregates as Aggregate
//   PrefixBounds    the bounds of the prefixes; store_bounds makes them
//                   PrefixRange
//   kNeedsBounds    whether an aggregate is only known to be right by its
//                   bounds; AnyAggregates are then right for any elements
//   ReassociationGuard
//                   sees all elements, and the aggregates of up to eight rows;
//                   is_violated says whether another order could lose precision
//   ElementRange    the range of elements, and of their combinations
//   Line            optional: scan and append, for elements of one line without
//                   stripes
//   identity_for    optional: the identity to start from for some rows that lie
//                   a step apart
//   append          optional: appends the combinations of a block's stripes, in
//                   registers, to an aggregate; returns false if it cannot
//   append_range    optional: appends the range that all stripes of a block
//                   have
//   resolve_ties    optional: corrects aggregates whose value depends on order
//   classify        optional: a row of elements as a row of special classes, if
//                   these tell what follows a saturated prefix
//   store_classes   writes combined special classes
//
// Write out the constructors of whatever calls a function that returns a Pack:
// gcc compiles the implicit ones for the baseline instruction set, where such a
// result is returned in another place.
//
// This file has the Lanes of any monoid. The fast ones have their own files.
#pragma once

#include "../monoid/extremum.h"
#include "../monoid/logaddexp.h"
#include "../monoid/product.h"
#include "../monoid/sum.h"
#include "simd_floats.h"

namespace upsweep {
namespace {

template <class T>
inline constexpr bool is_plain_integer =
    std::is_integral_v<T> && !std::is_same_v<T, bool>;

// What products and sums do lane by lane.
struct Multiply {
  template <class P>
  UPSWEEP_INLINE static P combine(const P& a, const P& b) {
    return a * b;
  }
};
struct Add {
  template <class P>
  UPSWEEP_INLINE static P combine(const P& a, const P& b) {
    return a + b;
  }
};

// Lane by lane with M itself.
template <class M, class Carry>
class LaneByLane {
 public:
  using Value = typename M::Value;
  using Row = Pack<Bits<Value>>;

  UPSWEEP_INLINE LaneByLane(const Carry& carry, int first) {
    for (int i = 0; i < n; ++i) lane_[i] = carry.get(first + i);
  }

  UPSWEEP_INLINE Row results() const {
    Value y[n];
    for (int i = 0; i < n; ++i) y[i] = M::value(lane_[i]);
    return Row::load(y);
  }

  UPSWEEP_INLINE Row step(const Row& row) {
    Value x[n], y[n];
    row.store(x);
    for (int i = 0; i < n; ++i) {
      if constexpr (M::kAssociative) {
        M::advance(lane_[i], x[i]);
      } else {
        bool live = M::is_live(lane_[i]);
        M::advance(lane_[i], x[i]);
        newly_saturated_ |= live && !M::is_live(lane_[i]);
      }
      y[i] = M::value(lane_[i]);
    }
    return Row::load(y);
  }

  UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
    for (int i = 0; i < n; ++i) carry.set(first + i, lane_[i]);
    return !newly_saturated_;
  }

 private:
  static constexpr int n = kPack<Value>;

  typename M::Prefix lane_[n];
  bool newly_saturated_ = false;
};

template <class M>
struct Lanes {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  static constexpr bool kHasStripes = false;

  struct Carry {
    Prefix lane[kLanes<Value>];
    Prefix get(int i) const { return lane[i]; }
    void set(int i, const Prefix& r) { lane[i] = r; }
  };

  using Exact = LaneByLane<M, Carry>;
  using Fast = Exact;
  using FastLines = Exact;
};

// Whether special classes tell what follows a saturated prefix.
template <class M>
concept HasClasses = requires(const Pack<Bits<typename M::Value>>& row) {
  Lanes<M>::classify(row);
};

}  // namespace
}  // namespace upsweep
