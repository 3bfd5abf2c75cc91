// Lanes: a monoid on neighbouring lines at once.
//
// Lanes<M> has
//
//   Carry        a Prefix for each of kLanes lines, with get(lane) and
//                set(lane, r)
//
// and scanners, which take as many of these lines as a Pack has lanes, from one
// of them on, over some rows. A scanner is made from the Carry, whose results
// `results` gives; step takes one row of elements, as bits, to one row of
// results; finish writes the Carry and returns whether all went well.
//
//   FastLines         the fastest, for up to a thousand rows; finish is false,
//   and
//                the results are worthless, where a lane was or came out of the
//                range that it is good for
//   Fast       as FastLines, for any number of rows
//   Mixed        as Fast, but lanes may be saturated from the start
//   Exact      exact in every case; finish is false where a lane died
//
// Where kSegments says that a long line may be cut into segments, which become
// lanes, there is also what fold.h needs to find their aggregates:
//
//   enter        a Carry for segments, from the Prefix before the first of
//                them and the aggregates of what lies between
//   identity()    sums of nothing: Aggregates in registers, in as many lanes
//   combine      a sum and a row, or the row that starts somewhere in memory
//   merge        two sums, also of other sizes
//   store        sums as Aggregates
//   PrefixBounds       of the sums of rows; store_bounds makes them Ranges
//   kNeedsBounds  whether a sum may be lost without its bounds
//   ReassociationGuard     of segments that are folded in any order: sees all
//   elements,
//                and the sums of up to eight rows; is_violated tells whether
//                precision may have been lost
//   ElementRange     of elements, and what range of sums these allow
//   resolve_ties (where order tells) makes the aggregates of segments that were
//                folded in any order those of their order
//   classify     (unless M::kAssociative) a row of elements as a row of classes
//   classes        sums of those
//
// Whatever calls a function that returns a Pack must be written out, default
// constructors included: gcc compiles the implicit ones for the baseline, where
// such a result lies elsewhere.
//
// This file has what serves any monoid; those that matter most for speed have
// files of their own.
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

  LaneByLane(const Carry& carry, int first) {
    for (int i = 0; i < n; ++i) lane_[i] = carry.get(first + i);
  }

  Row results() const {
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

  bool finish(Carry& carry, int first) const {
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
  static constexpr bool kSegments = false;

  struct Carry {
    Prefix lane[kLanes<Value>];
    Prefix get(int i) const { return lane[i]; }
    void set(int i, const Prefix& r) { lane[i] = r; }
  };

  using Exact = LaneByLane<M, Carry>;
  using Fast = Exact;
  using FastLines = Exact;
  using Saturated = Exact;
};

}  // namespace
}  // namespace upsweep
