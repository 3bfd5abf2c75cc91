// Lanes: a monoid on neighbouring lines at once.
//
// Lanes<M> has
//
//   Carry        a Running for each of kLanes lines, with get(lane) and
//                set(lane, r)
//
// and runners, which take as many of these lines as a Pack has lanes, from one
// of them on, over some rows. A runner is made from the Carry, whose results
// `results` gives; step takes one row of elements, as bits, to one row of
// results; finish writes the Carry and returns whether all went well.
//
//   Calm         the fastest, for up to a thousand rows; finish is false, and
//                the results are worthless, where a lane was or came out of the
//                range that it is good for
//   Steady       as Calm, for any number of rows
//   Mixed        as Steady, but lanes may be dead from the start
//   Careful      exact in every case; finish is false where a lane died
//
// Where kSegments says that a long line may be cut into segments, which become
// lanes, there is also what fold.h needs to find their totals:
//
//   enter        a Carry for segments, from the Running before the first of
//                them and the totals of what lies between
//   neutral()    sums of nothing: Totals in registers, in as many lanes
//   combine      a sum and a row, or the row that starts somewhere in memory
//   merge        two sums, also of other sizes
//   store        sums as Totals
//   Bounds       of the sums of rows; store_bounds makes them Ranges
//   kBoundsTell  whether a sum may be lost without its bounds
//   Mildness     of segments that are folded in any order: sees all elements,
//                and the sums of up to eight rows; is_violated tells whether
//                precision may have been lost
//   Extremes     of elements, and what range of sums these allow
//   resolve_ties (where order tells) makes the totals of segments that were
//                folded in any order those of their order
//   classify     (unless M::kExact) a row of elements as a row of kinds
//   kinds        sums of those
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
#include "../monoid/logical.h"
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
      if constexpr (M::kExact) {
        M::advance(lane_[i], x[i]);
      } else {
        bool alive = M::is_alive(lane_[i]);
        M::advance(lane_[i], x[i]);
        died_ |= alive && !M::is_alive(lane_[i]);
      }
      y[i] = M::value(lane_[i]);
    }
    return Row::load(y);
  }

  bool finish(Carry& carry, int first) const {
    for (int i = 0; i < n; ++i) carry.set(first + i, lane_[i]);
    return !died_;
  }

 private:
  static constexpr int n = kPack<Value>;

  typename M::Running lane_[n];
  bool died_ = false;
};

template <class M>
struct Lanes {
  using Value = typename M::Value;
  using Running = typename M::Running;
  static constexpr bool kSegments = false;

  struct Carry {
    Running lane[kLanes<Value>];
    Running get(int i) const { return lane[i]; }
    void set(int i, const Running& r) { lane[i] = r; }
  };

  using Careful = LaneByLane<M, Carry>;
  using Calm = Careful;
  using Steady = Careful;
  using Mixed = Careful;
};

}  // namespace
}  // namespace upsweep
