// Kernels: what the CPU runs on one tile of a panel, for each (op, dtype) and
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/op.h"
#include "upsweep/dtype.h"

namespace upsweep {

// Panels whose neighbours are adjacent have rows of no more bytes.
constexpr int64_t kPanelBytes = 1024;

// `width` neighbouring lines, `length` elements of each. Steps are in elements.
struct Tile {
  const void* in;
  void* out;
  int64_t length;
  int64_t width;
  int64_t in_step;   // along a line
  int64_t in_lane;   // from line to line
  int64_t out_step;  // along a line
  int64_t out_lane;  // from line to line
  uintptr_t ahead;   // a hint: the address of what is read next
  bool streaming;    // the result is larger than the cache
};

// A carry and a summary hold what they need for all lines of a panel; the
// caller gives memory for them, aligned to 64 bytes. Kernels do not throw.
struct Kernel {
  size_t (*carry_size)(int64_t width);
  size_t (*summary_size)(int64_t width, int64_t length);

  // The carry that enters the first tile.
  void (*start)(void* carry, int64_t width);
  // What a tile does to a carry, as far as that can be told without one. With
  // `bounded`, well enough for predict.
  void (*reduce)(const Tile& tile, void* summary, bool bounded);
  // Takes the carry over a tile by its summary; returns false, and leaves the
  // carry alone, where only a scan can.
  bool (*predict)(void* carry, const void* summary, int64_t width);
  // Writes the results of a tile. Where there is a summary it takes the carry
  // over the tile, to the same bits as predict. Where no tile follows there
  // need not be one, but for a single line that is `planned`.
  void (*scan)(const Tile& tile, void* carry, const void* summary,
               bool inclusive);
  bool planned;
};

// Every table covers every (op, dtype) that there is: sums of bool_ are sums of
// int32, and logaddexp of integers is one of float32.
const Kernel& baseline_kernel(Op op, Dtype dtype);
#if defined(__x86_64__)
const Kernel& avx2_kernel(Op op, Dtype dtype);
const Kernel& avx512_kernel(Op op, Dtype dtype);
#endif

}  // namespace upsweep
