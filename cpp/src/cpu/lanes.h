// Lanes: a monoid on sixteen neighbouring lines at once.
//
// Lanes<M> has
//
//   Carry                 sixteen Runnings, with get(lane) and set(lane, r)
//   advance<inclusive>    takes the Carry over some rows of sixteen neighbours
//                         and writes the results; every lane exactly as
//                         M::advance would, up to rounding. Returns whether all
//                         results stayed alive.
//   kSegments             whether a long line may be cut into sixteen segments
//                         that become lanes; then also
//   Fold<bounded>         sixteen partial totals of one line: add(row, i) takes
//                         the i-th sixteen elements, finish(summary) appends
//                         them to the Total, and with `bounded` widens the
//                         Range. Where rows are neighbouring lines,
//                         finish_lanes writes a summary for each
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
#include "simd.h"

namespace upsweep {
namespace {

// Rows of sixteen elements, `step` elements apart.
template <class Value>
struct Rows {
  const Value* in;
  int64_t in_step;
  Value* out;
  int64_t out_step;
  int64_t count;
  bool streaming;  // results go past the cache

  // Asks for the input some rows ahead, which a processor that guesses
  // addresses by itself would miss where the step is long.
  void prefetch() const { __builtin_prefetch(in + 16 * in_step); }
  void next() {
    in += in_step;
    out += out_step;
  }
};

template <class T>
inline constexpr bool is_plain_integer =
    std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <class M>
struct Lanes {
  using Value = typename M::Value;
  using Running = typename M::Running;
  static constexpr bool kSegments = false;

  struct Carry {
    Running lane[kLanes];
    Running get(int i) const { return lane[i]; }
    void set(int i, const Running& r) { lane[i] = r; }
  };

  template <bool inclusive>
  static bool advance(Rows<Value> rows, Carry& carry) {
    // A copy of its own, so that the compiler sees that results cannot change
    // it and may keep it in registers.
    Carry running = carry;
    for (int64_t s = 0; s < rows.count; ++s, rows.next()) {
      rows.prefetch();
      for (int i = 0; i < kLanes; ++i) {
        if constexpr (inclusive) {
          rows.out[i] = M::advance(running.lane[i], rows.in[i]);
        } else {
          Value x = rows.in[i];
          rows.out[i] = M::value(running.lane[i]);
          M::advance(running.lane[i], x);
        }
      }
    }
    carry = running;
    return true;
  }
};

}  // namespace
}  // namespace upsweep
