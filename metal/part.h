// A thread's part of a line of a tile: from threadgroup memory into registers,
// along the elements, and back.
#pragma once

namespace upsweep {

// Behind the last one, items are neutral: nothing changes by them, and loops
// need not ask for each whether it is there.
template <class M>
struct Part {
  using Value = typename M::Value;
  static constant constexpr uint kItems = items(sizeof(Value));
  Value item[kItems];
  uint place;  // of the first one in the line
  uint count;
  Line<Value> line;
};

// Where a part is in threadgroup memory.
template <class M>
struct Whereabouts {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  static constant constexpr uint kItems = Part<M>::kItems;

  int at;    // the first element
  int step;  // to the next one
  // The lowest vector, where the part is whole ones, one behind the other.
  bool vectors;
  uint low;
  // Between places, where these are the same distance apart.
  bool even;
  int apart;

  static METAL_FUNC Whereabouts of(Part<M> part) {
    int step = part.line.step;
    int at = part.line.first + step * int(part.place);
    uint low = uint(step < 0 ? at - int(kItems - 1) : at);
    bool vectors = part.count == kItems && (step == 1 || step == -1) &&
                   low % Tile::kPerVector == 0;
    int rows = step / int(Tile::kPerRow);
    return {at,
            step,
            vectors,
            low / Tile::kPerVector,
            rows * int(Tile::kPerRow) == step,
            step + rows * int(Tile::kPerVector)};
  }
};

// The part with its items, from the tile that its line names.
template <class M>
METAL_FUNC Part<M> read_items(Part<M> part) {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  Whereabouts<M> here = Whereabouts<M>::of(part);
  threadgroup const uint* tile = part.line.tile;
  if (here.vectors) {
    Value item[Part<M>::kItems];
    UPSWEEP_UNROLL
    for (uint k = 0; k < Part<M>::kItems / Tile::kPerVector; ++k) {
      uint4 vector = Tile::get_vector(tile, here.low + k);
      UPSWEEP_UNROLL
      for (uint j = 0; j < Tile::kPerVector; ++j) {
        item[k * Tile::kPerVector + j] = Vector<Value>::get(vector, j);
      }
    }
    UPSWEEP_UNROLL
    for (uint i = 0; i < Part<M>::kItems; ++i) {
      part.item[i] = here.step > 0 ? item[i] : item[Part<M>::kItems - 1 - i];
    }
    return part;
  }
  Value neutral = M::value(M::start());
  uint place = Tile::place(uint(here.at));
  UPSWEEP_UNROLL
  for (uint i = 0; i < Part<M>::kItems; ++i) {
    part.item[i] = neutral;
    if (i < part.count) {
      part.item[i] = here.even
                         ? Tile::get_at(tile, place + uint(int(i) * here.apart))
                         : Tile::get(tile, uint(here.at + int(i) * here.step));
    }
  }
  return part;
}

// Back to a tile, where the line's first and step say.
template <class M>
METAL_FUNC void write_items(Part<M> part, threadgroup uint* tile) {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  Whereabouts<M> here = Whereabouts<M>::of(part);
  if (here.vectors) {
    UPSWEEP_UNROLL
    for (uint k = 0; k < Part<M>::kItems / Tile::kPerVector; ++k) {
      uint4 vector = uint4(0, 0, 0, 0);
      UPSWEEP_UNROLL
      for (uint j = 0; j < Tile::kPerVector; ++j) {
        uint i = k * Tile::kPerVector + j;
        vector = Vector<Value>::with(
            vector, j,
            here.step > 0 ? part.item[i] : part.item[Part<M>::kItems - 1 - i]);
      }
      Tile::put_vector(tile, here.low + k, vector);
    }
    return;
  }
  uint place = Tile::place(uint(here.at));
  UPSWEEP_UNROLL
  for (uint i = 0; i < Part<M>::kItems; ++i) {
    if (i < part.count) {
      if (here.even) {
        Tile::put_at(tile, place + uint(int(i) * here.apart), part.item[i]);
      } else {
        Tile::put(tile, uint(here.at + int(i) * here.step), part.item[i]);
      }
    }
  }
}

// Items that a thread goes through without asking whether there are more.
constant constexpr uint kStretch = 16;

template <class M>
METAL_FUNC constexpr uint end_of(uint begin) {
  return begin + kStretch < Part<M>::kItems ? begin + kStretch
                                            : Part<M>::kItems;
}

// Along the items of a part, one by one. Where M has a quick way, this is for
// what is rare, and loops stay loops, which spares registers.
template <class M, bool rare>
struct Walk {
  using State = typename M::State;
  using Total = typename M::Total;

  static METAL_FUNC Total fold(Part<M> part) {
    Total total = M::none();
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStretch) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint i = begin; i < end_of<M>(begin); ++i) {
          total = M::take(total, part.item[i]);
        }
      }
    }
    return total;
  }

  // From the state before the part.
  static METAL_FUNC Part<M> results(Part<M> part, State state, bool inclusive) {
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStretch) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint i = begin; i < end_of<M>(begin); ++i) {
          State after = M::step(state, part.item[i]);
          part.item[i] = M::value(inclusive ? after : state);
          state = after;
        }
      }
    }
    return part;
  }
};

// The items where an index that is no constant may reach them: in memory.
template <class M>
struct Indexed {
  using Value = typename M::Value;
  Value item[Part<M>::kItems];

  static METAL_FUNC Indexed of(Part<M> part) {
    Indexed indexed;
    UPSWEEP_UNROLL
    for (uint i = 0; i < Part<M>::kItems; ++i) indexed.item[i] = part.item[i];
    return indexed;
  }
  static METAL_FUNC Part<M> put_back(Indexed indexed, Part<M> part) {
    UPSWEEP_UNROLL
    for (uint i = 0; i < Part<M>::kItems; ++i) part.item[i] = indexed.item[i];
    return part;
  }
};

template <class M>
struct Walk<M, true> {
  using State = typename M::State;
  using Total = typename M::Total;

  static METAL_FUNC Total fold(Part<M> part) {
    Indexed<M> in = Indexed<M>::of(part);
    Total total = M::none();
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) total = M::take(total, in.item[i]);
    return total;
  }

  static METAL_FUNC Part<M> results(Part<M> part, State state, bool inclusive) {
    Indexed<M> in = Indexed<M>::of(part);
    UPSWEEP_ROLL
    for (uint i = 0; i < part.count; ++i) {
      State after = M::step(state, in.item[i]);
      in.item[i] = M::value(inclusive ? after : state);
      state = after;
    }
    return Indexed<M>::put_back(in, part);
  }
};

// The quick way, where M has one and finds it to be right.
template <class M, bool quick>
struct Quick {
  using State = typename M::State;
  using Total = typename M::Total;

  // Says whether it came the quick way.
  static METAL_FUNC Total fold(Part<M> part, thread bool& came) {
    came = false;
    return Walk<M, false>::fold(part);
  }
  // What fold has found is given as well.
  static METAL_FUNC Part<M> results(Part<M> part, State state, Total, bool,
                                    bool inclusive) {
    return Walk<M, false>::results(part, state, inclusive);
  }
};

template <class M>
struct Quick<M, true> {
  using Value = typename M::Value;
  using State = typename M::State;
  using Total = typename M::Total;

  static METAL_FUNC Total fold(Part<M> part, thread bool& came) {
    typename M::Quick q = M::quick();
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStretch) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint i = begin; i < end_of<M>(begin); ++i) {
          q = M::quick_take(q, part.item[i]);
        }
      }
    }
    came = M::quick_holds(q);
    return came ? M::quick_total(q) : Walk<M, true>::fold(part);
  }

  static METAL_FUNC Part<M> results(Part<M> part, State state, Total own,
                                    bool came, bool inclusive) {
    if (!came || !M::quick_from(state, own)) {
      return Walk<M, true>::results(part, state, inclusive);
    }
    Value before = M::value(state);
    typename M::QuickState s = M::quick_state(state);
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStretch) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint i = begin; i < end_of<M>(begin); ++i) {
          s = M::quick_step(s, part.item[i]);
          Value after = M::quick_value(s);
          part.item[i] = inclusive ? after : before;
          before = after;
        }
      }
    }
    return part;
  }
};

}  // namespace upsweep
