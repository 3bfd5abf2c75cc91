// A thread's items of a tile, and how it moves them between threadgroup memory
// and registers.
#pragma once

namespace upsweep {

template <class M>
struct ThreadItems {
  using Value = typename M::Value;
  static constant constexpr uint kItems = items(sizeof(Value));
  Line<Value, kItems> line;
  uint position;  // of the first element in the line
  uint count;
};

// How items are arranged in threadgroup memory: whole vectors in scan order;
// whole vectors against it; at strides whose bank padding repeats; at any
// stride.
enum : uint { kForward, kBackward, kPeriodic, kStrided };

// Elements that a thread holds in registers: 32 bytes in whole vectors.
// Strided items come in smaller tiles. Beyond the last item the tile holds a
// neutral element, so that loops need not test each one.
template <class M, uint pattern>
struct RegisterTile {
  using Value = typename M::Value;
  static constant constexpr uint kMost = 32 / sizeof(Value);
  static constant constexpr uint kWhole = kMost < ThreadItems<M>::kItems
                                              ? uint(kMost)
                                              : uint(ThreadItems<M>::kItems);
  static constant constexpr uint kItems =
      pattern == kStrided && kWhole > 4 ? 4 : uint(kWhole);
  // After this many elements the distances of kPeriodic repeat.
  static constant constexpr uint kPeriod = kItems < 4 ? uint(kItems) : 4;
  Value item[kItems];
};

// A view of a thread's items in threadgroup memory.
template <class M>
struct SharedView {
  using Value = typename M::Value;
  using Tile = TileAccess<Value, ThreadItems<M>::kItems>;

  threadgroup uint* tile;
  uint count;
  int at;    // the first element
  int step;  // to the next one
  uint pattern;

  static METAL_FUNC SharedView of(ThreadItems<M> items) {
    int step = items.line.step;
    int at = items.line.first + step * int(items.position);
    int low = step < 0 ? at + 1 - int(items.count) : at;
    bool even =
        (step & int(Tile::kPerRow / RegisterTile<M, kPeriodic>::kPeriod - 1)) ==
        0;
    bool vectors =
        (step == 1 || step == -1) && uint(low) % Tile::kPerVector == 0;
    bool whole = items.count % RegisterTile<M, kForward>::kItems == 0;
    uint pattern = kStrided;
    if (whole && even) pattern = kPeriodic;
    if (whole && vectors) pattern = step > 0 ? kForward : kBackward;
    return {items.line.tile, items.count, at, step, pattern};
  }

  // The position of the i-th item.
  static METAL_FUNC uint position(SharedView here, uint i) {
    return uint(here.at + int(i) * here.step);
  }
};

// Reads and writes register tiles with a known pattern. This one moves whole
// vectors, forward or backward.
template <class M, uint pattern>
struct AccessPattern {
  using Value = typename M::Value;
  using Tile = TileAccess<Value, ThreadItems<M>::kItems>;
  using Here = SharedView<M>;
  static constant constexpr uint kVectors =
      RegisterTile<M, pattern>::kItems / Tile::kPerVector;

  static METAL_FUNC RegisterTile<M, pattern> read(Here here, uint begin) {
    RegisterTile<M, pattern> s;
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

  static METAL_FUNC void write(Here here, uint begin,
                               RegisterTile<M, pattern> s) {
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
  // The slot of the k-th vector of a register tile, and the index of its j-th
  // item.
  static METAL_FUNC uint slot_of(Here here, uint begin, uint k) {
    uint v = begin / Tile::kPerVector + k;
    uint first = uint(here.at) / Tile::kPerVector;
    return Tile::slot(pattern == kBackward ? first - v : first + v);
  }
  static METAL_FUNC uint item_of(uint k, uint j) {
    return k * Tile::kPerVector +
           (pattern == kBackward ? Tile::kPerVector - 1 - j : j);
  }
};

template <class M>
struct AccessPattern<M, kPeriodic> {
  using Tile = TileAccess<typename M::Value, ThreadItems<M>::kItems>;
  using Here = SharedView<M>;
  static constant constexpr uint kItems = RegisterTile<M, kPeriodic>::kItems;
  static constant constexpr uint kPeriod = RegisterTile<M, kPeriodic>::kPeriod;

  static METAL_FUNC RegisterTile<M, kPeriodic> read(Here here, uint begin) {
    RegisterTile<M, kPeriodic> s;
    Offsets offsets = Offsets::of(here, begin);
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      s.item[i] = Tile::get_at(here.tile, offsets.first);
      offsets.first += offsets.next[i % kPeriod];
    }
    return s;
  }

  static METAL_FUNC void write(Here here, uint begin,
                               RegisterTile<M, kPeriodic> s) {
    Offsets offsets = Offsets::of(here, begin);
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      Tile::put_at(here.tile, offsets.first, s.item[i]);
      offsets.first += offsets.next[i % kPeriod];
    }
  }

 private:
  struct Offsets {
    uint first;
    uint next[kPeriod];  // from each to the next one

    static METAL_FUNC Offsets of(Here here, uint begin) {
      Offsets offsets;
      uint first = Tile::padded(Here::position(here, 0));
      uint from = first;
      UPSWEEP_UNROLL
      for (uint i = 0; i < kPeriod; ++i) {
        uint to = Tile::padded(Here::position(here, i + 1));
        offsets.next[i] = to - from;
        from = to;
      }
      offsets.first = first + begin / kPeriod * (from - first);
      return offsets;
    }
  };
};

template <class M>
struct AccessPattern<M, kStrided> {
  using Tile = TileAccess<typename M::Value, ThreadItems<M>::kItems>;
  using Here = SharedView<M>;
  static constant constexpr uint kItems = RegisterTile<M, kStrided>::kItems;

  static METAL_FUNC RegisterTile<M, kStrided> read(Here here, uint begin) {
    RegisterTile<M, kStrided> s;
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      s.item[i] = M::value(M::initial());
      if (begin + i < here.count) {
        s.item[i] = Tile::get(here.tile, Here::position(here, begin + i));
      }
    }
    return s;
  }

  static METAL_FUNC void write(Here here, uint begin,
                               RegisterTile<M, kStrided> s) {
    UPSWEEP_UNROLL
    for (uint i = 0; i < kItems; ++i) {
      if (begin + i < here.count) {
        Tile::put(here.tile, Here::position(here, begin + i), s.item[i]);
      }
    }
  }
};

}  // namespace upsweep
