// What the host tells a scan kernel. Shared by device and host, which both
// assert its layout. How a kernel follows it is said in scan.metal.
#pragma once

#ifndef __METAL_VERSION__
#include <cstdint>
#endif

#include "layout.h"

namespace upsweep {

// Axes that lie outside a tile; the host copies an array that needs more.
enum : uint32_t { kMaxOuterAxes = 12 };

// Room that a host gives to one aggregate and to one carry.
enum : uint32_t { kAggregateBytes = 32, kCarryBytes = 32 };

// The same for resets: more for an aggregate, and for a state of look-back.
enum : uint32_t { kResetBytes = 16 };

// Room that a host gives to an aggregate of the derivative of a product.
enum : uint32_t { kGradientBytes = 48 };
// Threads of a line in the spines of a derivative, which are not those of its
// tiles: one for each of a line's entries, up to all of a threadgroup, as a
// power of two.
constexpr uint32_t spine_threads(uint32_t entries, uint32_t most) {
  uint32_t threads = 1;
  while (threads < entries && threads < most) threads *= 2;
  return threads;
}
// The groups of chunks of a line: one for each threadgroup of the spine.
constexpr uint32_t spine_groups(uint32_t chunks, uint32_t most) {
  return (chunks - 1) / most + 1;
}

// Room that a host gives to a state of look-back, for elements of a size, and
// to the exit of a tile.
constexpr uint32_t tile_state_bytes(uint32_t element_size) {
  return element_size == 8 ? 48 : 32;
}
enum : uint32_t { kExitBytes = 16 };

// What lines start with: the identity, elements, or carries (CarryNumber).
enum : uint32_t { kInitialIdentity, kInitialElement, kInitialCarry };
// What a scan writes: results; or, for a carry, what each line's elements in
// each chunk amount to (ChunkCarry), with the prefix after the last chunk or,
// only by look-back, without. Then a chunk may have several tiles, and no
// threadgroup waits for another.
enum : uint32_t { kGivesResults, kGivesCarries, kGivesTotals };
// Elements of each array in a thread's items of a tile, if there are two arrays
// as inputs: whole vectors, in the room of those of one. `of_double_size` is
// what items gives for twice the element size.
constexpr uint32_t pair_items(uint32_t of_double_size, uint32_t element_size) {
  return of_double_size * element_size < 16 ? 16 / element_size
                                            : of_double_size;
}

// Steps are in elements and of any sign; zero repeats an element.
struct ScanAxis {
  int64_t extent;
  int64_t in_step;
  int64_t out_step;
  int64_t second_step = 0;  // of a second input
};

// A scan of `length` over many independent lines. The axes of lines are
// `column` (neighbours in the result), `batch` (whole lines or sets of
// columns, one after the other in the result) and `outer` (outermost first).
//
// A tile is `span` elements of width × batches lines: `width` of them along
// column, `batches` along batch. A chunk is `tiles` consecutive tiles, which
// one threadgroup scans; a line has `chunks` chunks.
//
// For powers of two column_threads and line_threads, thread t has
//
//   column       t % column_threads
//   line_thread  t / column_threads % line_threads, its rank in the line
//   batch        t / (column_threads · line_threads)
//
// If a line has one thread and one tile and the scan gives results, a thread
// also has the lines column_threads further on along column, and along batch
// kThreads / column_threads further on, to the end of the tile.
//
// A host keeps to
//
//   items_per_thread <= items(element size),
//   span <= line_threads · items_per_thread,
//   width <= column_threads and column_threads · line_threads · batches <=
//   kThreads; if a thread has several lines, together they have at most
//   items(element size) elements instead,
//   batches == 1 unless span == length.extent,
//   tiles · chunks · span >= length.extent, without an empty chunk.
struct ScanParams {
  int64_t in_start;  // of the first element in scan order
  int64_t out_start;
  ScanAxis length;  // at least one element
  ScanAxis column;  // absent axes have the extent 1
  ScanAxis batch;
  ScanAxis outer[kMaxOuterAxes];
  uint32_t outer_axes;
  uint32_t inclusive;
  uint32_t width;
  uint32_t batches;
  uint32_t span;
  uint32_t column_threads;
  uint32_t line_threads;
  uint32_t tiles;
  uint32_t chunks;
  // Sets of `width` columns, of which the last may be smaller, of `batches`,
  // and all.
  uint32_t column_panels;
  uint32_t batch_panels;
  uint32_t panels;
  uint32_t items_per_thread;  // of a line's span, at most
  // Look-back: tiles of a group, and groups of a set, both powers of two. With
  // a set of 1, a group is 1 too.
  uint32_t look_back_group;
  uint32_t look_back_set;
  // Of an element's index, the bits that tell parts of an element of the dtype
  // apart, which have one reset in common, but an initial value each.
  uint32_t reset_shift;
  uint32_t initial_kind;
  uint32_t initial_per_line;  // else one is for all lines
  // kGivesResults, or a ChunkCarry for each line of each chunk instead, at
  // chunk · lines + the number of the line.
  uint32_t gives;
  uint32_t reads_resets;  // of a recurrence
  // Whether the initial value comes before the first result of each line. The
  // result has room for it.
  uint32_t include_initial;
  // Look-back: of the launch, not 0, and unlike that of any other since the
  // memory of states was cleared.
  uint32_t epoch;
  // The number of a line, from the place `at` of its first result after that of
  // the first line: at / line_block · lines_after + at % line_block.
  int64_t first_out;
  int64_t line_block;
  int64_t lines_after;
  int64_t initial_start;  // of the first initial element
  int64_t lines;
  int64_t second_start;  // as in_start
  TileLayout in_tile;    // of a whole tile
  TileLayout out_tile;
  TileLayout second_tile;
};

static_assert(sizeof(ScanAxis) == 32, "layout of ScanAxis");
static_assert(sizeof(TileLayout) == 80, "layout of TileLayout");
static_assert(sizeof(ScanParams) == 488 + 32 * kMaxOuterAxes,
              "layout of ScanParams");

}  // namespace upsweep
