// Kernels: what the CPU runs on one tile of a panel, for each (op, dtype) and
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../monoid/op.h"
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
  int64_t in_step;      // along a line
  int64_t in_lane;      // from line to line
  int64_t out_step;     // along a line
  int64_t out_lane;     // from line to line
  uintptr_t next_read;  // a hint: the address of what is read next
  bool streaming;       // the result is larger than the cache
  uint64_t key_mask;    // the kernel's own
};

// A carry and a summary hold what they need for all lines of a panel; the
// caller gives memory for them, aligned to 64 bytes. Kernels do not throw.
struct Kernel {
  size_t (*carry_size)(int64_t width);
  size_t (*summary_size)(int64_t width, int64_t length);

  // The carry that enters the first tile.
  void (*init_carry)(void* carry, int64_t width);
  // What a tile does to a carry, as far as that can be told without one. With
  // `bounded`, well enough for try_apply.
  void (*reduce)(const Tile& tile, void* summary, bool bounded);
  // Takes the carry over a tile by its summary; returns false, and leaves the
  // carry alone, where only a scan can.
  bool (*try_apply_summary)(void* carry, const void* summary, int64_t width);
  // Writes the results of a tile. Where there is a summary it takes the carry
  // over the tile, to the same bits as try_apply. Where no tile follows there
  // need not be one, but for a single line that is `planned`.
  void (*scan)(const Tile& tile, void* carry, const void* summary,
               bool inclusive);
  bool needs_summary;  // to scan a single line
  uint64_t key_mask;   // of its tiles (keys.h)
};

// Kernels that go lane by lane: wider registers would not help, so one copy
// serves every instruction set.
const Kernel& find_scalar_kernel(Op op, Dtype dtype);

}  // namespace upsweep
