// What a monoid is. A monoid M computes one (op, dtype). Its accumulator is
// wider than the dtype, and its results are those of a left-to-right loop,
// special values included (docs/guides/numerics.rst). It has
//
//   Value                  an element, as an unsigned integer of its size
//   Aggregate              the combination of some neighbours, out of context
//   Prefix                 the result so far; the carry is the Prefix that
//                          enters a tile
//
//   Aggregate identity()           the combination of nothing
//   Aggregate accumulate(a, x)     a · x
//   Aggregate combine(a, b)        a · b
//   Aggregate shuffle_up(a, d)     that of the thread d lanes before
//   Prefix initial()               the Prefix before the first element
//   Prefix apply(p, a)             p · a, where no step leaves the range of the
//                                 dtype and a is of at least one element
//   Prefix advance_unchecked(p, x) p · x, likewise
//   Value value(p)                 p rounded to the dtype; value(initial()) is
//                                 neutral
//
// and kCanExitRange: whether a result can leave the range of the dtype, and
// then stays out (is saturated). Aggregates alone do not tell how such a line
// goes on. An Aggregate then also bounds the results on its way, and M has
//
//   RangeExit              the first step of a line that left the range or
//                          met a special element, if any
//
//   bool is_safe(p, a)     whether apply(p, a) is right for sure
//   Prefix advance(p, x)   p · x, wherever that leads
//   bool is_live(p)        neither zero (where that is an exit), infinite nor
//   NaN RangeExit no_exit() RangeExit exit_at(p, position)  the exit that led
//   to p, just before position RangeExit exit_of_carry(p)      the exit that a
//   carry brings along bool has_exited(e) RangeExit shuffle_up(e, d) Prefix
//   resume(p, e, line, position)
//                          the Prefix just before position of a line, from
//                          the result p of apply and the earlier exit e
//
// tile.h says how these work together.
//
// kHasFastPath: M has cheaper arithmetic for elements that are not special:
//
//   FastAggregate                    the combination of a thread's elements,
//   with
//                                   what tells whether the path was right
//   FastAggregate fast_identity()
//   FastAggregate fast_accumulate(a, x)
//   FastAggregate fast_normalize(a)  equal to a; called after every few
//   elements bool fast_is_valid(a)            whether the path was right; if
//   so, Aggregate fast_aggregate(a) bool is_constant(p)              whether
//   all results from p on, through
//                                   such elements, are value(p); else
//   bool fast_applies(p, a)          whether the path is right from p on; if
//   so, FastPrefix fast_prefix(p) FastPrefix fast_advance(p, x) FastPrefix
//   fast_normalize(p) Value fast_value(p)
#pragma once

namespace upsweep {

// A line of a tile, as it lies in threadgroup memory.
template <class V>
struct Line {
  threadgroup uint* tile;
  int first;  // where position 0 is
  int step;   // from position to position
};

template <class V>
METAL_FUNC V get(Line<V> line, uint position) {
  return TileAccess<V>::get(line.tile,
                            uint(line.first + line.step * int(position)));
}

template <class V>
METAL_FUNC void put(Line<V> line, uint position, V value) {
  TileAccess<V>::put(line.tile, uint(line.first + line.step * int(position)),
                     value);
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
