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

// Lanes are lines side by side, or segments of one line. Steps are in elements.
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

// The coefficients of a block, row by row, where they lie or copied.
struct RecurrenceRows {
  static constexpr int64_t kRowBytes = 64;

  const char* a;
  const char* b;
  int64_t a_step, b_step;  // bytes from row to row
  alignas(64) char a_copy[kBlockRows * kRowBytes] = {};
  alignas(64) char b_copy[kBlockRows * kRowBytes] = {};
  alignas(64) char out[kBlockRows * kRowBytes] = {};
};

// Bit l of a set of lanes is that of lane l.
using LaneSet = uint32_t;

struct RecurrenceKernel {
  int lanes;

  void (*load)(const RecurrenceBlock& block, RecurrenceRows& rows);
  void (*reduce)(const RecurrenceBlock& block, const RecurrenceRows& rows,
                 RecurrenceSummary& summary);
  // Advances h over all lanes, which are segments, and gives what each starts
  // with. Returns false if a number may leave the range.
  bool (*advance_line)(const RecurrenceSummary& summary, int lanes, double* h,
                       LaneNumbers& starts);
  // Advances each lane, a line of its own. Returns those that stay in the
  // range.
  LaneSet (*advance_lanes)(const RecurrenceSummary& summary, LaneNumbers& h);
  // Writes the results of a block and advances h. Returns the lanes that stayed
  // in the range: the results of the others are wrong.
  LaneSet (*scan)(const RecurrenceBlock& block, RecurrenceRows& rows,
                  LaneNumbers& h, bool inclusive);
};

}  // namespace upsweep
