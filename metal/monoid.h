// What a monoid is. A monoid M computes one (op, dtype): its accumulator is
// wider than the dtype, and its results are those of a left-to-right loop,
// special values included (docs/guides/numerics.rst). It has
//
//   Value                  an element as an unsigned integer
//   Total                  the combination of some neighbours, out of context
//   State                  the result so far: the carry
//
//   Total none()           the combination of nothing
//   Total take(t, x)       t · x
//   Total join(a, b)       a · b
//   Total shuffle_up(t, d) that of the thread d lanes before
//   State start()          the State before the first element
//   State after(s, t)      s · t, where no step from s through t leaves the
//                          range of the dtype, and t is of something
//   State step(s, x)       s · x, likewise
//   Value value(s)         s rounded to the dtype; value(start()) is neutral
//
// and kExits, which says whether a result can leave the dtype's range and then
// stays out. Where it can, how a scan goes on is not to be told from totals
// alone. A Total then also bounds what it passes on its way, and M has
//
//   Event                  the first step of a line that left the range, or
//                          that met a special element, if any
//
//   bool safe(s, t)        whether after(s, t) is right for sure
//   State advance(s, x)    s · x, wherever that leads
//   bool alive(s)          neither zero (where that is an exit), infinite, NaN
//   Event no_event()
//   Event event(s, place)  that led to s, just before place
//   Event carried(s)       that a carry brings along
//   bool happened(e)
//   Event shuffle_up(e, d)
//   State resume(s, e, line, place)
//                          the State just before place in a line, where s is
//                          what after gave and e the event before that place
//
// How these play together is said in tile.h.
//
// kQuick says that M has a quick way besides, for elements that are nothing
// special, in arithmetic that needs not look at each of them:
//
//   Quick                  the combination of a thread's first elements, and
//                          what tells whether the way was right
//   Quick quick()
//   Quick quick_take(q, x)
//   Quick quick_ordered(q) the same; it is called after every few elements
//   bool quick_holds(q)    whether it was; if so,
//   Total quick_total(q)
//   bool stays(s)          whether all results from s on, through elements
//                          whose total came so, are value(s); else
//   bool quick_from(s, t)  whether the way is right from s on, through elements
//                          whose total t came so; if so,
//   QuickState quick_state(s)
//   QuickState quick_step(q, x)
//   QuickState quick_ordered(q)
//   Value quick_value(q)
#pragma once

namespace upsweep {

// A line of a tile, as it lies in threadgroup memory.
template <class V>
struct Line {
  threadgroup uint* tile;
  int first;  // where place 0 is
  int step;   // from place to place
};

template <class V>
METAL_FUNC V get(Line<V> line, uint place) {
  return TileAccess<V>::get(line.tile,
                            uint(line.first + line.step * int(place)));
}

template <class V>
METAL_FUNC void put(Line<V> line, uint place, V value) {
  TileAccess<V>::put(line.tile, uint(line.first + line.step * int(place)),
                     value);
}

// The earlier of two events, as a monoid for group_scan.
template <class M>
struct First {
  using Total = typename M::Event;
  static METAL_FUNC Total none() { return M::no_event(); }
  static METAL_FUNC Total join(Total a, Total b) {
    return M::happened(a) ? a : b;
  }
  static METAL_FUNC Total shuffle_up(Total t, ushort delta) {
    return M::shuffle_up(t, delta);
  }
};

}  // namespace upsweep
