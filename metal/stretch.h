// A thread's part of a line of a tile, and the stretches of it that are brought
// from threadgroup memory into registers and back.
#pragma once

namespace upsweep {

template <class M>
struct Part {
  using Value = typename M::Value;
  static constant constexpr uint kItems = items(sizeof(Value));
  Line<Value> line;
  uint place;  // of the first element in the line
  uint count;
};

// How a part lies in threadgroup memory: in whole vectors, in the direction of
// the scan or against it; by steps of a quarter of a row, or some; anyhow.
enum : uint { kAhead, kBack, kEven, kAnyhow };

// Elements that a thread has in registers: whole vectors, 32 bytes of them.
// Where parts lie anyhow, there are fewer of them, and behind the last one of a
// part they are neutral: nothing changes by them, and loops need not ask for
// each whether it is there.
template <class M, uint kind>
struct Stretch {
  using Value = typename M::Value;
  static constant constexpr uint kMost = 32 / sizeof(Value);
  static constant constexpr uint kWhole =
      kMost < Part<M>::kItems ? uint(kMost) : uint(Part<M>::kItems);
  static constant constexpr uint kItems =
      kind == kAnyhow && kWhole > 4 ? 4 : uint(kWhole);
  // Elements after which the distances of even places are the same again.
  static constant constexpr uint kPeriod = kItems < 4 ? uint(kItems) : 4;
  Value item[kItems];
};

// Where a part is in threadgroup memory.
template <class M>
struct Whereabouts {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;

  threadgroup uint* tile;
  uint count;
  int at;    // the first element
  int step;  // to the next one
  uint kind;

  static METAL_FUNC Whereabouts of(Part<M> part) {
    int step = part.line.step;
    int at = part.line.first + step * int(part.place);
    int low = step < 0 ? at + 1 - int(part.count) : at;
    bool even =
        (step & int(Tile::kPerRow / Stretch<M, kEven>::kPeriod - 1)) == 0;
    bool vectors =
        (step == 1 || step == -1) && uint(low) % Tile::kPerVector == 0;
    bool whole = part.count % Stretch<M, kAhead>::kItems == 0;
    uint kind = kAnyhow;
    if (whole && even) kind = kEven;
    if (whole && vectors) kind = step > 0 ? kAhead : kBack;
    return {part.line.tile, part.count, at, step, kind};
  }

  // Of the i-th element.
  static METAL_FUNC uint position(Whereabouts here, uint i) {
    return uint(here.at + int(i) * here.step);
  }
};

// The stretches of a part that lies in a way which is known beforehand: here,
// in whole vectors, ahead or back.
template <class M, uint kind>
struct Lying {
  using Value = typename M::Value;
  using Tile = TileAccess<Value>;
  using Here = Whereabouts<M>;
  static constant constexpr uint kVectors =
      Stretch<M, kind>::kItems / Tile::kPerVector;

  static METAL_FUNC Stretch<M, kind> read(Here here, uint begin) {
    Stretch<M, kind> s;
    UPSWEEP_UNROLL
    for (uint k = 0; k < kVectors; ++k) {
      uint4 vector = Tile::get_slot(here.tile, slot_of(here, begin, k));
      UPSWEEP_UNROLL
      for (uint j = 0; j < Tile::kPerVector; ++j) {
        s.item[item_of(k, j)] = Vector<Value>::get(vector, j);
      }
    }
    return s;
  }

  static METAL_FUNC void write(Here here, uint begin, Stretch<M, kind> s) {
    UPSWEEP_UNROLL
    for (uint k = 0; k < kVectors; ++k) {
      uint4 vector = uint4(0, 0, 0, 0);
      UPSWEEP_UNROLL
      for (uint j = 0; j < Tile::kPerVector; ++j) {
        vector = Vector<Value>::with(vector, j, s.item[item_of(k, j)]);
      }
      Tile::put_slot(here.tile, slot_of(here, begin, k), vector);
    }
  }

 private:
  // The k-th vector of a stretch, and the j-th item in it.
  static METAL_FUNC uint slot_of(Here here, uint begin, uint k) {
    uint v = begin / Tile::kPerVector + k;
    uint first = uint(here.at) / Tile::kPerVector;
    return Tile::slot(kind == kBack ? first - v : first + v);
  }
  static METAL_FUNC uint item_of(uint k, uint j) {
    return k * Tile::kPerVector +
           (kind == kBack ? Tile::kPerVector - 1 - j : j);
  }
};

template <class M>
struct Lying<M, kEven> {
  using Tile = TileAccess<typename M::Value>;
  using Here = Whereabouts<M>;
  static constant constexpr uint kItems = Stretch<M, kEven>::kItems;
  static constant constexpr uint kPeriod = Stretch<M, kEven>::kPeriod;

  static METAL_FUNC Stretch<M, kEven> read(Here here, uint begin) {
    Stretch<M, kEven> s;
    Places places = Places::of(here, begin);
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      s.item[i] = Tile::get_at(here.tile, places.first);
      places.first += places.next[i % kPeriod];
    }
    return s;
  }

  static METAL_FUNC void write(Here here, uint begin, Stretch<M, kEven> s) {
    Places places = Places::of(here, begin);
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      Tile::put_at(here.tile, places.first, s.item[i]);
      places.first += places.next[i % kPeriod];
    }
  }

 private:
  struct Places {
    uint first;
    uint next[kPeriod];  // from each to the next one

    static METAL_FUNC Places of(Here here, uint begin) {
      Places places;
      uint first = Tile::place(Here::position(here, 0));
      uint from = first;
      UPSWEEP_UNROLL
      for (uint i = 0; i < kPeriod; ++i) {
        uint to = Tile::place(Here::position(here, i + 1));
        places.next[i] = to - from;
        from = to;
      }
      places.first = first + begin / kPeriod * (from - first);
      return places;
    }
  };
};

template <class M>
struct Lying<M, kAnyhow> {
  using Tile = TileAccess<typename M::Value>;
  using Here = Whereabouts<M>;
  static constant constexpr uint kItems = Stretch<M, kAnyhow>::kItems;

  static METAL_FUNC Stretch<M, kAnyhow> read(Here here, uint begin) {
    Stretch<M, kAnyhow> s;
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      s.item[i] = M::value(M::start());
      if (begin + i < here.count) {
        s.item[i] = Tile::get(here.tile, Here::position(here, begin + i));
      }
    }
    return s;
  }

  static METAL_FUNC void write(Here here, uint begin, Stretch<M, kAnyhow> s) {
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      if (begin + i < here.count) {
        Tile::put(here.tile, Here::position(here, begin + i), s.item[i]);
      }
    }
  }
};

}  // namespace upsweep
