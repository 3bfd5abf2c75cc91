// Kernel: the functions that scan one tile of a panel on the CPU, for each
// (op, dtype) and instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/op.h"
#include "upsweep/carry.h"
#include "upsweep/dtype.h"

namespace upsweep {

// The most bytes of a panel's row, if its lines are neighbours in memory.
constexpr int64_t kPanelBytes = 1024;

// The lanes of a register: at most a cache line, whatever the instruction set.
constexpr int64_t lanes_for(int64_t itemsize) { return itemsize == 8 ? 8 : 16; }

// Rows that a lane scanner takes at most: the exact path repeats no more.
constexpr int kRows = 64;

// The most bytes of slabs that are transposed at once.
constexpr int64_t kSlabBytes = 1 << 13;

// `width` neighbouring lines, `length` elements of each. Steps are in elements.
struct Tile {
  const void* in;
  void* out;
  int64_t length;
  int64_t width;
  int64_t in_step;        // along a line
  int64_t in_lane;        // from line to line
  int64_t out_step;       // along a line
  int64_t out_lane;       // from line to line
  uintptr_t next_read;    // a hint: the address of the thread's next tile
  bool streaming;         // the result is larger than the cache
  uint64_t key_mask;      // the kernel's own
  bool in_cache = false;  // whether nothing has to be prefetched
};

// Neighbouring slabs (slabs.h), each `length` rows of `width` elements, without
// gaps in the input. The carry of line j of slab s is that of lane
// s / per_lane, line s % per_lane * width + j.
struct SlabTile {
  const void* in;  // the lowest element, whatever the direction
  void* out;
  int64_t slabs;
  int64_t per_lane;  // neighbouring slabs that one lane takes
  int64_t length;
  int64_t width;
  int64_t out_slab;  // from slab to slab in the result
  bool reverse;
  bool streaming;       // the result is larger than the cache
  uintptr_t next_read;  // a hint: where the next tile is, or 0
  uint64_t key_mask;    // the kernel's own
  // All lines start with the carry of the first lanes, which stays as it is.
  // Only if lanes have several slabs.
  bool starts_alike = false;
};

// A carry and a summary cover all lines of a panel. The caller provides their
// memory, aligned to 64 bytes. Kernels do not throw.
struct Kernel {
  size_t (*carry_size)(int64_t width);
  size_t (*summary_size)(int64_t width, int64_t length);

  // The carry that enters the first tile.
  void (*init_carry)(void* carry, int64_t width);
  // Summarises a tile: its aggregate and, if `bounded`, the range of its
  // prefixes, which try_apply_summary needs.
  void (*reduce)(const Tile& tile, void* summary, bool bounded);
  // The same for a tile of a single line that has left the dtype's range before
  // it; null if nothing is gained. It only tells what becomes of the carry.
  void (*reduce_saturated)(const Tile& tile, void* summary);
  // Applies the summary of a tile to the carry. Returns false and changes
  // nothing if only a scan can tell the carry after the tile.
  bool (*try_apply_summary)(void* carry, const void* summary, int64_t width);
  // Writes the results of a tile. With a summary it also advances the carry, to
  // the same bits as try_apply_summary. The last tile needs no summary unless
  // needs_summary is true, and no tile of a single line does if `reduces_lines`
  // is true: then this makes its own, as far as the line is within the dtype's
  // range.
  void (*scan)(const Tile& tile, void* carry, const void* summary,
               bool inclusive);
  // Scans whole lines.
  void (*scan_slabs)(const SlabTile& tile, void* carry, bool inclusive);
  // The inclusive scan of `count` neighbouring lines of one element.
  void (*scan_singles)(const void* in, void* out, int64_t count,
                       uint64_t key_mask);
  // As scan without a summary, where each line starts again at an element whose
  // flag is 1. The flag of an element is as far from `flags` as its result is
  // from the tile's first.
  void (*scan_segments)(const Tile& tile, const uint8_t* flags, void* carry,
                        bool inclusive);
  // The prefix of one line of a carry, to and from a record.
  CarryRecord::Number (*prefix)(const void* carry, int64_t line,
                                uint64_t key_mask);
  void (*set_prefix)(void* carry, int64_t line, const CarryRecord::Number& from,
                     uint64_t key_mask);
  // The total and range of one line of a bounded summary. Returns false if the
  // total is not known: then only the elements tell it.
  bool (*describe)(const void* summary, int64_t line, CarryRecord& record,
                   uint64_t key_mask);
  // Whether a single line has left the dtype's range.
  bool (*is_saturated)(const void* carry);
  bool reduces_lines;
  // Whether scans of so few lines take the summary of each tile: if they are
  // columns without gaps, which without it are only slow.
  bool (*needs_summary)(int64_t width);
  uint64_t key_mask;  // for its tiles (keys.h)
};

// The kernel of logaddexp of complex64, which goes lane by lane: wider
// registers would not help, so all instruction sets share it.
const Kernel& complex_logaddexp();

}  // namespace upsweep
