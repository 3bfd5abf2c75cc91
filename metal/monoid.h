// What a monoid is. A monoid M computes one (op, dtype). Its accumulator is
// wider than the dtype, and its results are those of a left-to-right loop,
// special values included (docs/guides/numerics.rst). It has
//
//   Value       an element, as an unsigned integer of its size
//   Aggregate   the combination of neighbouring elements without a carry
//   Prefix      the result so far; the carry is the Prefix that enters a tile
//
//   Aggregate identity()             the combination of no elements
//   Aggregate accumulate(a, x)       a · x
//   Aggregate combine(a, b)          a · b
//   Aggregate shuffle_up(a, d)       a of the thread d lanes before
//   Prefix initial()                 the Prefix before the first element
//   Prefix apply(p, a)               p · a, if no step leaves the range of
//                                    the dtype and a has an element
//   Prefix advance_unchecked(p, x)   p · x, likewise
//   Value value(p)                   p rounded to the dtype; value(initial())
//                                    is neutral
//
// kCanExitRange: a result can leave the range of the dtype, and then stays out
// (is saturated). Aggregates alone do not determine how such a line continues.
// Each then also bounds the results on its way, and M has
//
//   RangeExit   the first step of a line that left the range or met a special
//               element, if any
//
//   Aggregate restart(a)             the identity, with bounds that hold for
//                                    what a combines too (resets.h)
//   bool is_safe(p, a)               whether apply(p, a) is certainly right
//   Prefix advance(p, x)             p · x, in the range or not
//   bool is_live(p)                  not saturated
//   RangeExit no_exit()
//   RangeExit exit_at(p, position)   the exit that led to p, just before
//                                    position
//   RangeExit exit_of_carry(p)       the exit that a carry brings along
//   bool has_exited(e)
//   RangeExit shuffle_up(e, d)
//   Prefix resume(p, e, line, position)
//                                    the Prefix just before position of a
//                                    line, from the result p of apply and the
//                                    earlier exit e
//
//   bool kExitSuffices               whether resume needs only p and e, so
//                                    that e may come from an earlier tile
//
// range_exits.h explains how these work together.
//
// kHasCarryNumbers: a carry is a CarryNumber, and M has
//
//   Prefix from_carry(number)
//   ChunkCarry chunk_carry(p, a)     of a chunk's aggregate a and the prefix p
//                                    after it
//
// Otherwise a carry is an element.
//
// kHasFastPath: M has cheaper arithmetic for elements that are not special, and
//
//   FastAggregate fast_identity()
//   FastAggregate fast_accumulate(a, x)
//   FastAggregate fast_normalize(a)   equal to a; called after every few
//                                     elements
//   FastAggregate fast_restart(a, x)  the identity, valid only if a is, for the
//                                     elements from a reset on (resets.h). x is
//                                     a number of M's that starts at 0, to keep
//                                     what it needs of a; if it gets to
//                                     2^kFastRange, the path was not right
//   bool fast_is_valid(a)             whether the path was right; if so:
//   Aggregate fast_aggregate(a)
//   Aggregate fast_bounded(t, x)      t, with bounds that hold for what came
//                                     before the last reset too
//   bool is_constant(p)               whether all results from p on are
//                                     value(p); if not:
//   bool fast_applies(p, a)           whether the path is right from p on; if
//                                     so:
//   FastPrefix fast_prefix(p)
//   FastPrefix fast_advance(p, x)
//   FastPrefix fast_normalize(p)
//   Value fast_value(p)
#pragma once

namespace upsweep {

// A line of a tile in threadgroup memory. Threads have so many items of it.
template <class V, uint items>
struct Line {
  threadgroup uint* tile;
  int first;  // of position 0
  int step;   // from position to position
};

template <class V, uint items>
METAL_FUNC V get(Line<V, items> line, uint position) {
  return TileAccess<V, items>::get(
      line.tile, uint(line.first + line.step * int(position)));
}

template <class V, uint items>
METAL_FUNC void put(Line<V, items> line, uint position, V value) {
  TileAccess<V, items>::put(
      line.tile, uint(line.first + line.step * int(position)), value);
}

// The earlier of two exits, as a monoid for group_scan.
template <class M>
struct EarlierExit {
  using Aggregate = typename M::RangeExit;
  static METAL_FUNC Aggregate identity() { return M::no_exit(); }
  static METAL_FUNC Aggregate combine(Aggregate a, Aggregate b) {
    return M::has_exited(a) ? a : b;
  }
  static METAL_FUNC Aggregate shuffle_up(Aggregate t, ushort delta) {
    return M::shuffle_up(t, delta);
  }
};

}  // namespace upsweep
