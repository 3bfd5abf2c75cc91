// RecurrenceKernel: the functions that compute one block of a recurrence, for
// each dtype and instruction set.
#pragma once

#include <cstdint>

#include "upsweep/dtype.h"

namespace upsweep {

// The most rows of a block: elements of each lane.
constexpr int64_t kBlockRows = 64;
// The most lanes of a block, and their doubles: a complex number has two.
constexpr int kMaxLanes = 16;

// Lanes are lines side by side, or stripes of one line. Steps are in elements.
struct RecurrenceBlock {
  const void* a;
  const void* b;
  const uint8_t* reset;  // may be nullptr; laid out as the results
  void* out;
  int64_t a_step, a_lane;  // along a lane; from lane to lane
  int64_t b_step, b_lane;
  int64_t out_step, out_lane;
  int64_t rows;
  int lanes;
};

// One number in each lane; the parts of a complex number follow each other.
struct alignas(64) LaneNumbers {
  double part[kMaxLanes];
};

// The lanes of a block as functions of the number before them: h -> a · h + b,
// right up to |h| = limit. A limit of 0 is that of a lane whose numbers may
// leave the range.
struct RecurrenceSummary {
  LaneNumbers a;
  LaneNumbers b;
  LaneNumbers limit;
};

// Where the next block has its elements of lines along memory, in pieces: the
// processor would have to foresee as many places as there are lanes.
struct RecurrenceAhead {
  const char* first = nullptr;
  int64_t lane = 0, piece = 0;  // bytes from lane to lane, from piece to piece
};

// The coefficients of a block, row by row, where they lie or copied.
struct RecurrenceRows {
  static constexpr int64_t kRowBytes = 64;

  const char* a;
  const char* b;
  int64_t a_step, b_step;  // bytes from row to row
  RecurrenceAhead a_ahead, b_ahead;
  alignas(64) char a_copy[kBlockRows * kRowBytes] = {};
  alignas(64) char b_copy[kBlockRows * kRowBytes] = {};
};

// Bit l of a set of lanes is that of lane l.
using LaneSet = uint32_t;

struct RecurrenceKernel {
  int lanes;
  double low, high;  // the magnitudes that h may have, if it is not 0

  void (*load)(const RecurrenceBlock& block, RecurrenceRows& rows);
  void (*reduce)(const RecurrenceBlock& block, RecurrenceRows& rows,
                 RecurrenceSummary& summary);
  // Advances h over all lanes, which are stripes, and gives what each starts
  // with. Returns false if a number may leave the range.
  bool (*advance_line)(const RecurrenceSummary& summary, int lanes, double* h,
                       LaneNumbers& starts);
  // Advances each lane, a line of its own. Returns those that stay in the
  // range.
  LaneSet (*advance_lanes)(const RecurrenceSummary& summary, LaneNumbers& h);
  // Writes the results of a loaded block, past the cache if `streaming` and
  // they are lines along memory. Advances h in the lanes that stay in the range
  // and returns these: the results of the others are wrong.
  LaneSet (*scan)(const RecurrenceBlock& block, const RecurrenceRows& rows,
                  LaneNumbers& h, bool inclusive, bool streaming);
  // The same for 1, 2 or 4 rows of whole groups of lanes that are
  // neighbours in each array, without resets and unloaded. Gives the numbers
  // after them. Returns false, and all of it is wrong, if a lane left the
  // range.
  bool (*scan_columns)(const RecurrenceBlock& block, const LaneNumbers* h,
                       LaneNumbers* after, bool inclusive);
  // Orders what was streamed before later stores.
  void (*order_streams)();
};

}  // namespace upsweep
