// Along a thread's part of a line of a tile: from threadgroup memory into
// registers, stretch by stretch, and back to the same place.
#pragma once

namespace upsweep {

// Brings a part to where it lies in another layout. All threads call it, for
// others may have theirs there.
template <class M>
METAL_FUNC void move_part(Part<M> from, Part<M> to) {
  typename M::Value item[Part<M>::kItems];  // in memory: it is rare
  UPSWEEP_ROLL
  for (uint i = 0; i < from.count; ++i)
    item[i] = get(from.line, from.place + i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  UPSWEEP_ROLL
  for (uint i = 0; i < to.count; ++i) put(to.line, to.place + i, item[i]);
}

// The way along elements that is always right, one by one.
template <class M>
struct Steps {
  using State = typename M::State;
  using Total = typename M::Total;

  static METAL_FUNC Total fold(Part<M> part) {
    Total total = M::none();
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      total = M::take(total, get(part.line, part.place + i));
    }
    return total;
  }

  // From the state before the part on.
  static METAL_FUNC void results(Part<M> part, State state, bool inclusive) {
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      State after = M::step(state, get(part.line, part.place + i));
      put(part.line, part.place + i, M::value(inclusive ? after : state));
      state = after;
    }
  }
};

// Where M has no quick way: how it goes along elements is quick enough.
template <class M, bool has_one>
struct QuickWay {
  using Value = typename M::Value;
  using State = typename M::State;
  using Total = typename M::Total;
  using Quick = Total;
  using QuickState = State;
  using Way = QuickWay;

  static METAL_FUNC Quick quick() { return M::none(); }
  static METAL_FUNC Quick quick_take(Quick q, Value x) { return M::take(q, x); }
  static METAL_FUNC Total quick_ordered(Total q) { return q; }
  static METAL_FUNC bool quick_holds(Quick) { return true; }
  static METAL_FUNC Total quick_total(Quick q) { return q; }
  static METAL_FUNC bool stays(State) { return false; }
  static METAL_FUNC bool quick_from(State, Total) { return true; }
  static METAL_FUNC QuickState quick_state(State s) { return s; }
  static METAL_FUNC QuickState quick_step(QuickState s, Value x) {
    return M::step(s, x);
  }
  static METAL_FUNC Value quick_value(QuickState s) { return M::value(s); }
};
template <class M>
struct QuickWay<M, true> {
  using Way = M;
};

// Along a part that lies in a way which is known beforehand, the quick way.
template <class M, uint kind>
struct AlongLying {
  using Value = typename M::Value;
  using Way = typename QuickWay<M, M::kQuick>::Way;
  using L = Lying<M, kind>;
  static constant constexpr uint kItems = Stretch<M, kind>::kItems;

  static METAL_FUNC typename Way::Quick fold(Whereabouts<M> here) {
    typename Way::Quick q = Way::quick();
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += kItems) {
      Stretch<M, kind> s = L::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) q = Way::quick_take(q, s.item[i]);
      q = Way::quick_ordered(q);
    }
    return q;
  }

  // `before` is the value of the state, which may be that of all results.
  static METAL_FUNC void results(Whereabouts<M> here,
                                 typename Way::QuickState q, Value before,
                                 bool stays, bool inclusive) {
    if (stays) {
      Stretch<M, kind> s;
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) s.item[i] = before;
      UPSWEEP_ROLL
      for (uint begin = 0; begin < here.count; begin += kItems) {
        L::write(here, begin, s);
      }
      return;
    }
    UPSWEEP_ROLL
    for (uint begin = 0; begin < here.count; begin += kItems) {
      Stretch<M, kind> s = L::read(here, begin);
      UPSWEEP_UNROLL
      for (uint i = 0; i < kItems; ++i) {
        q = Way::quick_step(q, s.item[i]);
        s.item[i] = Way::quick_value(q);
      }
      q = Way::quick_ordered(q);
      if (!inclusive) {
        Value up_to = s.item[kItems - 1];
        UPSWEEP_UNROLL
        for (uint i = kItems - 1; i > 0; --i) s.item[i] = s.item[i - 1];
        s.item[0] = before;
        before = up_to;
      }
      L::write(here, begin, s);
    }
  }
};

// Along a part: the quick way, where that is right.
template <class M>
struct Along {
  using Value = typename M::Value;
  using State = typename M::State;
  using Total = typename M::Total;
  using Way = typename QuickWay<M, M::kQuick>::Way;

  // Says whether it came the quick way.
  static METAL_FUNC Total fold(Part<M> part, thread bool& came) {
    Whereabouts<M> here = Whereabouts<M>::of(part);
    typename Way::Quick q;
    if (here.kind == kAhead) {
      q = AlongLying<M, kAhead>::fold(here);
    } else if (here.kind == kBack) {
      q = AlongLying<M, kBack>::fold(here);
    } else if (here.kind == kEven) {
      q = AlongLying<M, kEven>::fold(here);
    } else {
      q = AlongLying<M, kAnyhow>::fold(here);
    }
    came = Way::quick_holds(q);
    return came ? Way::quick_total(q) : Steps<M>::fold(part);
  }

  // The results take the place of the elements. What fold has found is given.
  static METAL_FUNC void results(Part<M> part, State state, Total own,
                                 bool came, bool inclusive) {
    Whereabouts<M> here = Whereabouts<M>::of(part);
    Value before = M::value(state);
    bool stays = came && Way::stays(state);
    if (!stays && (!came || !Way::quick_from(state, own))) {
      Steps<M>::results(part, state, inclusive);
      return;
    }
    typename Way::QuickState q = Way::quick_state(state);
    if (here.kind == kAhead) {
      AlongLying<M, kAhead>::results(here, q, before, stays, inclusive);
    } else if (here.kind == kBack) {
      AlongLying<M, kBack>::results(here, q, before, stays, inclusive);
    } else if (here.kind == kEven) {
      AlongLying<M, kEven>::results(here, q, before, stays, inclusive);
    } else {
      AlongLying<M, kAnyhow>::results(here, q, before, stays, inclusive);
    }
  }
};

}  // namespace upsweep
