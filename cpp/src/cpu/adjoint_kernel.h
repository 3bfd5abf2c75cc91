// AdjointKernel: the functions that compute one block of the gradients of a
// recurrence, for each dtype and instruction set.
//
// With h the recurrence and c the cotangents of its results, a block walks
//   along the recurrence, with h <- a · h + b;
//   back, with g, the gradient of the h before an element. l = g + c is the
//   gradient of the one after it, and g <- a · l; of exclusive results l = g,
//   and g <- a · l + c.
// b gets l and a gets l · (h before the element).
#pragma once

#include "recurrence_kernel.h"

namespace upsweep {

// The gradients of a go to out. Those of b, and c, lie as out does.
struct AdjointBlock : RecurrenceBlock {
  const void* c;
  void* of_b;
};

struct AdjointRows : RecurrenceRows {
  const char* c;
  int64_t c_step;
  RecurrenceAhead c_ahead;
  alignas(64) char c_copy[kBlockRows * kRowBytes] = {};
};

// What lanes make of the numbers before them: h becomes product · h + along; g,
// which comes from the other end, product · g + back.
struct AdjointSummary {
  LaneNumbers product;
  LaneNumbers along;
  LaneNumbers back;
};

// What lanes start with, each at its end.
struct AdjointStarts {
  LaneNumbers h;
  LaneNumbers g;
};

struct AdjointKernel {
  int lanes;
  // Advances h over a block that is not loaded.
  LaneSet (*advance)(const AdjointBlock& block, AdjointRows& rows,
                     LaneNumbers& h);
  void (*load)(const AdjointBlock& block, AdjointRows& rows);
  // All return the lanes that stay in the range of doubles.
  LaneSet (*reduce)(const AdjointBlock& block, const AdjointRows& rows,
                    bool inclusive, AdjointSummary& summary);
  // Writes both gradients, and advances the starts.
  LaneSet (*scan)(const AdjointBlock& block, const AdjointRows& rows,
                  AdjointStarts& starts, bool inclusive, bool streaming);
  void (*order_streams)();
};

}  // namespace upsweep
