// The elements of a tile in the order of device memory: where they are there
// or, by a layout of places (layout.h), in threadgroup memory.
#pragma once

namespace upsweep {

// n / d for n below 2^16, where inverse is 1.0f / d.
METAL_FUNC uint quotient(uint n, float inverse) {
  return uint((float(n) + 0.5f) * inverse);
}

// The layout of a tile with a known start.
template <class V>
struct Layout {
  static constant constexpr uint kPerVector = 16 / sizeof(V);
  static constant constexpr uint kRest = kPerVector - 1;
  static constant constexpr uint kRound = kThreads * kPerVector;

  TileLayout tile;
  int64_t base;  // of the first element in memory
  uint shift;    // its position in a vector, if vectors are used
  bool vectors;

  // From the first element in scan order.
  static METAL_FUNC Layout of(TileLayout tile, int64_t start) {
    int64_t base = start - tile.origin_offset;
    uint rest = uint(base) & kRest;
    bool vectors = tile.vectors == kDenseVectors ||
                   (tile.vectors == kAlignedVectors && rest == 0);
    return {tile, base, vectors ? rest : 0, vectors};
  }

  // Whether elements follow each other in the same order.
  static METAL_FUNC bool are_equal(Layout a, Layout b) {
    return a.tile.first == b.tile.first && a.tile.column == b.tile.column &&
           a.tile.length == b.tile.length && a.tile.batch == b.tile.batch;
  }

  // The index of the i-th element in memory order.
  static METAL_FUNC int64_t address(Layout at, uint i) {
    if (at.tile.n0 == at.tile.count) return at.base + int64_t(i) * at.tile.m0;
    uint i12 = quotient(i, at.tile.inverse0);
    uint i2 = quotient(i12, at.tile.inverse1);
    return at.base + int64_t(i - i12 * at.tile.n0) * at.tile.m0 +
           int64_t(i12 - i2 * at.tile.n1) * at.tile.m1 +
           int64_t(i2) * at.tile.m2;
  }
};

// A walk over a tile's elements in memory order, a fixed number at a time: a
// division for each element would take longer than the element itself.
template <class V>
struct TileWalk {
  int64_t address;
  uint i0;  // the place in a run of n0, and among n1 runs
  uint i1;
  uint d0;  // what a step adds to them
  uint d1;
  int64_t step;    // in memory
  int64_t carry0;  // more of it at the end of a run, and of n1 runs
  int64_t carry1;

  // From the i-th element on.
  static METAL_FUNC TileWalk of(Layout<V> at, uint i, uint elements) {
    TileLayout t = at.tile;
    TileWalk w = {at.base, i, 0, elements, 0, int64_t(elements) * t.m0, 0, 0};
    if (t.n0 != t.count) {
      uint i12 = quotient(i, t.inverse0), d12 = quotient(elements, t.inverse0);
      uint i2 = quotient(i12, t.inverse1), d2 = quotient(d12, t.inverse1);
      w.i0 = i - i12 * t.n0;
      w.i1 = i12 - i2 * t.n1;
      w.d0 = elements - d12 * t.n0;
      w.d1 = d12 - d2 * t.n1;
      w.address += int64_t(w.i1) * t.m1 + int64_t(i2) * t.m2;
      w.step = int64_t(w.d0) * t.m0 + int64_t(w.d1) * t.m1 + int64_t(d2) * t.m2;
      w.carry0 = t.m1 - int64_t(t.n0) * t.m0;
      w.carry1 = t.m2 - int64_t(t.n1) * t.m1;
    }
    w.address += int64_t(w.i0) * t.m0;
    return w;
  }
  static METAL_FUNC void advance(thread TileWalk& w, TileLayout t) {
    w.address += w.step;
    w.i0 += w.d0;
    w.i1 += w.d1;
    if (w.i0 >= t.n0) {
      w.i0 -= t.n0;
      w.i1 += 1;
      w.address += w.carry0;
    }
    if (w.i1 >= t.n1) {
      w.i1 -= t.n1;
      w.address += w.carry1;
    }
  }
};

}  // namespace upsweep
