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
  uint count;
};

// Where a part is. It is read from there whenever it is needed: in between,
// other things need the registers.
template <class M>
struct Spot {
  Line<typename M::Value> line;
  uint place;  // of the first item in the line
  uint count;
};

// Items that a thread goes through without asking whether there are more.
constant constexpr uint kStretch = 16;

template <class M>
METAL_FUNC constexpr uint end_of(uint begin) {
  return begin + kStretch < Part<M>::kItems ? begin + kStretch
                                            : Part<M>::kItems;
}

// Where a part is in threadgroup memory.
template <class M>
struct Whereabouts {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  static constant constexpr uint kItems = Part<M>::kItems;
  static constant constexpr uint kStep =
      kStretch < kItems ? uint(kStretch) : uint(kItems);

  int at;    // the first element
  int step;  // to the next one
  // The first vector in memory, where the part is stretches of whole ones.
  bool vectors;
  uint low;
  // Between places, where these are the same distance apart.
  bool even;
  int apart;

  static METAL_FUNC Whereabouts of(Spot<M> spot) {
    int step = spot.line.step;
    int at = spot.line.first + step * int(spot.place);
    uint low = uint(step < 0 ? at + 1 - int(spot.count) : at);
    bool vectors = spot.count % kStep == 0 && (step == 1 || step == -1) &&
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

// Stretches of whole vectors, which lie in the direction of the scan or against
// it.
template <class M, bool turned>
struct Stretches {
  using Value = typename M::Value;
  using Here = Whereabouts<M>;
  using Tile = TileAccess<Value>;
  static constant constexpr uint kStep = Here::kStep;
  static constant constexpr uint kVectors = kStep / Tile::kPerVector;

  static METAL_FUNC Part<M> read(Part<M> part, Here here,
                                 threadgroup const uint* tile) {
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStep) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint k = 0; k < kVectors; ++k) {
          uint4 vector = Tile::get_slot(tile, slot_of(part, here, begin, k));
          UPSWEEP_UNROLL
          for (uint j = 0; j < Tile::kPerVector; ++j) {
            part.item[begin + place_of(k, j)] = Vector<Value>::get(vector, j);
          }
        }
      }
    }
    return part;
  }

  static METAL_FUNC void write(Part<M> part, Here here,
                               threadgroup uint* tile) {
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStep) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint k = 0; k < kVectors; ++k) {
          uint4 vector = uint4(0, 0, 0, 0);
          UPSWEEP_UNROLL
          for (uint j = 0; j < Tile::kPerVector; ++j) {
            vector = Vector<Value>::with(vector, j,
                                         part.item[begin + place_of(k, j)]);
          }
          Tile::put_slot(tile, slot_of(part, here, begin, k), vector);
        }
      }
    }
  }

 private:
  // Of the j-th element of the k-th vector of a stretch.
  static METAL_FUNC uint place_of(uint k, uint j) {
    uint i = k * Tile::kPerVector + j;
    return turned ? kStep - 1 - i : i;
  }
  static METAL_FUNC uint slot_of(Part<M> part, Here here, uint begin, uint k) {
    uint first = turned ? part.count - begin - kStep : begin;
    return Tile::slot(here.low + first / Tile::kPerVector + k);
  }
};

template <class M>
METAL_FUNC Part<M> read_part(Spot<M> spot) {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  Whereabouts<M> here = Whereabouts<M>::of(spot);
  threadgroup const uint* tile = spot.line.tile;
  Value neutral = M::value(M::start());
  Part<M> part;
  part.count = spot.count;
  UPSWEEP_UNROLL
  for (uint i = 0; i < Part<M>::kItems; ++i) part.item[i] = neutral;
  if (here.vectors && here.step > 0) {
    return Stretches<M, false>::read(part, here, tile);
  }
  if (here.vectors) return Stretches<M, true>::read(part, here, tile);
  uint place = Tile::place(uint(here.at));
  if (here.even && part.count == Part<M>::kItems) {
    UPSWEEP_UNROLL
    for (uint i = 0; i < Part<M>::kItems; ++i) {
      part.item[i] = Tile::get_at(tile, place);
      place += uint(here.apart);
    }
    return part;
  }
  UPSWEEP_UNROLL
  for (uint i = 0; i < Part<M>::kItems; ++i) {
    if (i < part.count) {
      part.item[i] = Tile::get(tile, uint(here.at + int(i) * here.step));
    }
  }
  return part;
}

template <class M>
METAL_FUNC void write_part(Part<M> part, Spot<M> spot, threadgroup uint* tile) {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  Whereabouts<M> here = Whereabouts<M>::of(spot);
  if (here.vectors) {
    if (here.step > 0) Stretches<M, false>::write(part, here, tile);
    if (here.step < 0) Stretches<M, true>::write(part, here, tile);
    return;
  }
  uint place = Tile::place(uint(here.at));
  if (here.even && part.count == Part<M>::kItems) {
    UPSWEEP_UNROLL
    for (uint i = 0; i < Part<M>::kItems; ++i) {
      Tile::put_at(tile, place, part.item[i]);
      place += uint(here.apart);
    }
    return;
  }
  UPSWEEP_UNROLL
  for (uint i = 0; i < Part<M>::kItems; ++i) {
    if (i < part.count) {
      Tile::put(tile, uint(here.at + int(i) * here.step), part.item[i]);
    }
  }
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
    Value before = M::value(state);
    if (came && M::stays(state)) {
      UPSWEEP_UNROLL
      for (uint i = 0; i < Part<M>::kItems; ++i) part.item[i] = before;
      return part;
    }
    if (!came || !M::quick_from(state, own)) {
      return Walk<M, true>::results(part, state, inclusive);
    }
    typename M::QuickState s = M::quick_state(state);
    UPSWEEP_UNROLL
    for (uint begin = 0; begin < Part<M>::kItems; begin += kStretch) {
      if (begin < part.count) {
        UPSWEEP_UNROLL
        for (uint i = begin; i < end_of<M>(begin); ++i) {
          s = M::quick_step(s, part.item[i]);
          part.item[i] = M::quick_value(s);
        }
      }
    }
    if (inclusive) return part;
    UPSWEEP_UNROLL
    for (uint i = Part<M>::kItems - 1; i > 0; --i) {
      part.item[i] = part.item[i - 1];
    }
    part.item[0] = before;
    return part;
  }
};

}  // namespace upsweep
