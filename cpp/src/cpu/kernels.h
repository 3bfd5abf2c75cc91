// Kernels: what the CPU runs on one tile of a panel, for each (op, dtype).
#pragma once

#include <cstddef>
#include <cstdint>

#include "../monoid/op.h"
#include "upsweep/dtype.h"

namespace upsweep {

// `width` neighbouring lines, `length` elements of each. Steps are in elements;
// neighbouring lines are next to each other in the result.
struct Tile {
  const void* in;
  void* out;
  int64_t length;
  int64_t width;
  int64_t in_step;   // along a line
  int64_t in_lane;   // from line to line
  int64_t out_step;  // along a line
};

// A carry and a summary hold one entry for each line of a panel; the caller
// gives memory for them. Kernels do not throw.
struct Kernel {
  size_t carry_size;    // bytes for one line
  size_t summary_size;  // bytes for one line

  // The carry that enters the first tile.
  void (*start)(void* carry, int64_t width);
  // What a tile does to any carry, as far as that can be told without one.
  void (*reduce)(const Tile& tile, void* summary);
  // Takes the carry over a tile by its summary; returns false, and leaves the
  // carry alone, where only a scan can.
  bool (*predict)(void* carry, const void* summary, int64_t width);
  // Writes the results of a tile. Takes the carry over it, to the same bits as
  // predict, unless `last` says that nobody needs it.
  void (*scan)(const Tile& tile, void* carry, bool inclusive, bool last);
};

// nullptr-filled where the op has no such dtype (sum of bool_, which is a sum
// of int32; logaddexp of integers, which is one of float32).
const Kernel& baseline_kernel(Op op, Dtype dtype);

}  // namespace upsweep
