// What a monoid is. A monoid M computes one (op, dtype): its accumulator is
// wider than the dtype, and its results are those of a left-to-right loop,
// special values included (docs/guides/numerics.rst). It has
//
//   Value                  an element as an unsigned integer
//   Aggregate                  the combination of some neighbours, out of
//   context Prefix                  the result so far: the carry
//
//   Aggregate identity()           the combination of nothing
//   Aggregate accumulate(t, x)       t · x
//   Aggregate combine(a, b)       a · b
//   Aggregate shuffle_up(t, d) that of the thread d lanes before
//   Prefix initial()          the Prefix before the first element
//   Prefix apply(s, t)      s · t, where no step from s through t leaves the
//                          range of the dtype, and t is of something
//   Prefix advance_unchecked(s, x)       s · x, likewise
//   Value value(s)         s rounded to the dtype; value(initial()) is neutral
//
// and kCanExitRange, which says whether a result can leave the dtype's range
// and then is_constant out. Where it can, how a scan goes on is not to be told
// from totals alone. A Aggregate then also bounds what it passes on its way,
// and M has
//
//   RangeExit                  the first step of a line that left the range, or
//                          that met a special element, if any
//
//   bool is_safe(s, t)        whether apply(s, t) is right for sure
//   Prefix advance(s, x)    s · x, wherever that leads
//   bool is_live(s)          neither zero (where that is an exit), infinite,
//   NaN RangeExit no_exit() RangeExit exit_at(s, position)  that led to s, just
//   before position RangeExit exit_of_carry(s)       that a carry brings along
//   bool has_exited(e)
//   RangeExit shuffle_up(e, d)
//   Prefix resume(s, e, line, position)
//                          the Prefix just before position in a line, where s
//                          is what after gave and e the event before that
//                          position
//
// How these play together is said in tile.h.
//
// kHasFastPath says that M has a quick way besides, for elements that are
// nothing special, in arithmetic that needs not look at each of them:
//
//   FastAggregate                  the combination of a thread's first
//   elements, and
//                          what tells whether the way was right
//   FastAggregate fast_identity()
//   FastAggregate fast_accumulate(q, x)
//   FastAggregate fast_normalize(q) the same; it is called after every few
//   elements bool fast_is_valid(q)    whether it was; if so, Aggregate
//   fast_aggregate(q) bool is_constant(s)          whether all results from s
//   on, through elements
//                          whose total is_fast so, are value(s); else
//   bool fast_applies(s, t)  whether the way is right from s on, through
//   elements
//                          whose total t is_fast so; if so,
//   FastPrefix fast_prefix(s)
//   FastPrefix fast_advance(q, x)
//   FastPrefix fast_normalize(q)
//   Value fast_value(q)
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
