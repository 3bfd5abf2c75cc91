// The layout of a tile in device memory and in threadgroup memory. Shared by
// device and host: the host computes the layout that all whole tiles share,
// which would take a thread longer than its elements do.
#pragma once

#ifndef __METAL_VERSION__
#include <cstdint>
#endif

namespace upsweep {

// An axis of a tile in device memory.
struct TileAxis {
  int64_t step;
  uint32_t extent;
  uint32_t id;
  bool reversed;  // scan order runs against memory order
  int64_t rank;   // axes are nested by it
};

constexpr TileAxis tile_axis(uint32_t id, int64_t extent, int64_t step) {
  int64_t size = step < 0 ? -step : step;
  return {size, static_cast<uint32_t>(extent), id, step < 0, size};
}
// Of an array that may be broadcast: an axis of step 0 lies in threadgroup
// memory as that of the result does.
constexpr TileAxis tile_axis(uint32_t id, int64_t extent, int64_t step,
                             int64_t out_step) {
  TileAxis axis = tile_axis(id, extent, step == 0 ? out_step : step);
  if (step == 0) axis.step = 0;
  return axis;
}

// How vectors may be used.
enum : uint32_t {
  kNoVectors,
  kDenseVectors,    // for any start of the tile
  kAlignedVectors,  // if the tile starts at a vector
};

struct TileLayout {
  // Device memory: runs of n0 elements, n1 such runs, and so on.
  int64_t m0;
  int64_t m1;
  int64_t m2;
  int64_t origin_offset;  // from the first element in scan order to the first
                          // in memory
  int64_t round;          // to the element one round later, 0 if that varies
  uint32_t n0;
  uint32_t n1;
  uint32_t count;
  uint32_t vectors;
  // Threadgroup memory: the first element in scan order, and the steps from
  // there.
  int first;
  int column;
  int length;
  int batch;
  float inverse0;  // of n0 and n1
  float inverse1;
};

// The first of two axes in memory, and the second: the one with the smaller
// rank is first, but axes of one element come last.
constexpr bool are_swapped(TileAxis a, TileAxis b) {
  return b.extent != 1 && (a.extent == 1 || b.rank < a.rank);
}
constexpr TileAxis first_of(TileAxis a, TileAxis b) {
  return are_swapped(a, b) ? b : a;
}
constexpr TileAxis second_of(TileAxis a, TileAxis b) {
  return are_swapped(a, b) ? a : b;
}

// The step between elements along an axis of a tile whose fastest axes are a
// and b.
constexpr int tile_step(TileAxis axis, TileAxis a, TileAxis b) {
  uint32_t step = axis.id == a.id   ? 1
                  : axis.id == b.id ? a.extent
                                    : a.extent * b.extent;
  return axis.reversed ? -static_cast<int>(step) : static_cast<int>(step);
}

constexpr int64_t last(TileAxis axis) { return int64_t(axis.extent) - 1; }

// The axes of a tile, the fastest in memory first.
struct MemoryOrder {
  TileAxis a;
  TileAxis b;
  TileAxis c;

  static constexpr MemoryOrder of(TileAxis column, TileAxis length,
                                  TileAxis batch) {
    TileAxis a = first_of(column, length), b = second_of(column, length);
    TileAxis c = second_of(b, batch);
    b = first_of(b, batch);
    return {first_of(a, b), second_of(a, b), c};
  }
};

// The runs of the elements of axes: those that one step can walk are one.
constexpr TileLayout runs_of(MemoryOrder axes) {
  TileLayout to = {};
  to.n0 = axes.a.extent;
  to.n1 = axes.b.extent;
  uint32_t n2 = axes.c.extent;
  to.m0 = axes.a.step;
  to.m1 = axes.b.step;
  to.m2 = axes.c.step;
  for (int i = 0; i < 2; ++i) {
    if (to.n1 > 1 && to.m1 == to.m0 * int64_t(to.n0)) {
      to.n0 *= to.n1;
      to.n1 = n2;
      to.m1 = to.m2;
      n2 = 1;
    }
  }
  to.count = axes.a.extent * axes.b.extent * axes.c.extent;
  to.inverse0 = 1.0f / static_cast<float>(to.n0);
  to.inverse1 = 1.0f / static_cast<float>(to.n1);
  return to;
}

// A round is the elements that all threads move at once, `per_vector` each.
constexpr TileLayout tile_layout(TileAxis column, TileAxis length,
                                 TileAxis batch, uint32_t per_vector,
                                 uint32_t round) {
  MemoryOrder order = MemoryOrder::of(column, length, batch);
  TileLayout to = runs_of(order);
  to.column = tile_step(column, order.a, order.b);
  to.length = tile_step(length, order.a, order.b);
  to.batch = tile_step(batch, order.a, order.b);
  to.first =
      static_cast<int>((column.reversed ? -to.column * last(column) : 0) +
                       (length.reversed ? -to.length * last(length) : 0) +
                       (batch.reversed ? -to.batch * last(batch) : 0));
  to.origin_offset = (column.reversed ? column.step * last(column) : 0) +
                     (length.reversed ? length.step * last(length) : 0) +
                     (batch.reversed ? batch.step * last(batch) : 0);

  // A single run may start anywhere; several must each start at a vector.
  uint32_t n2 = to.count / to.n0 / to.n1;
  bool dense = to.n0 == to.count;
  uint32_t rest = static_cast<uint32_t>(to.m1 | (n2 > 1 ? to.m2 : 0)) | to.n0;
  bool aligned = rest % per_vector == 0;
  to.vectors = to.m0 != 1 ? kNoVectors
               : dense    ? kDenseVectors
               : aligned  ? kAlignedVectors
                          : kNoVectors;
  if (dense) {
    to.round = int64_t(round) * to.m0;
  } else if (round % to.n0 == 0 && n2 == 1) {
    to.round = int64_t(round / to.n0) * to.m1;
  }
  return to;
}

// Along an axis of an input, in the order of its memory, through threadgroup
// memory in the order of the result.
constexpr TileAxis placed(TileAxis axis, int step) {
  axis.step = axis.reversed ? -step : step;
  return axis;
}

// Where the elements of an input, in the order of its memory, lie in a tile
// with the layout of the result: as if threadgroup memory were that of the
// input. `first` is the first one's place. Threads compute it, because few
// inputs need it.
constexpr TileLayout tile_places(TileAxis column, TileAxis length,
                                 TileAxis batch, TileLayout result) {
  MemoryOrder order = MemoryOrder::of(placed(column, result.column),
                                      placed(length, result.length),
                                      placed(batch, result.batch));
  TileLayout to = runs_of(order);
  to.first =
      result.first +
      static_cast<int>((column.reversed ? result.column * last(column) : 0) +
                       (length.reversed ? result.length * last(length) : 0) +
                       (batch.reversed ? result.batch * last(batch) : 0));
  return to;
}

}  // namespace upsweep
