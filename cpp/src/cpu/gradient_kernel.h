// GradientKernel: the functions that compute one block of a derivative of a
// product, for each dtype and instruction set.
//
// With x the elements of a line and c its terms, a cotangent or a tangent:
//   vjp  walks against the product, with h <- x · (c + h); for the exclusive
//        product, x · h + c. A result is the product of the elements before x
//        in the order of the product, times c + h; or times h.
//   jvp  walks with the product, with h <- x · h + c · (product before x). A
//        result is the h after x, or before it.
// At a reset the product starts with 1 and, in its order, h with 0.
#pragma once

#include "../core/backend.h"
#include "recurrence_kernel.h"

namespace upsweep {

// The rows of a block. Those of a block with resets also say where segments go
// on: elements of 0 at resets, and of 1, in each part, elsewhere.
struct GradientRows : RecurrenceRows {
  alignas(64) char goes_on[kBlockRows * kRowBytes];
};

// What the lanes of a block make of the numbers before them: h becomes
// product · h + sum, where of jvp the sum is to be multiplied by the product
// before the block. Of lanes with resets, h becomes the sum, and the product is
// that from the last reset on.
struct GradientSummary {
  LaneNumbers product;
  LaneNumbers sum;
  LaneNumbers largest_term;
};

// What lanes start with, each at its end in the order of the product (vjp) or
// where h starts, and two powers of two that results are multiplied by.
struct GradientStarts {
  LaneNumbers product;
  LaneNumbers h;
  LaneNumbers scale[2];
};

struct GradientKernel {
  int lanes;
  void (*load)(const RecurrenceBlock& block, GradientRows& rows);
  // Both return the lanes that stay in the range of doubles.
  LaneSet (*reduce)(const RecurrenceBlock& block, const GradientRows& rows,
                    bool inclusive, GradientSummary& summary);
  LaneSet (*scan)(const RecurrenceBlock& block, const GradientRows& rows,
                  const GradientStarts& starts, bool inclusive, bool streaming);
  void (*order_streams)();
};

}  // namespace upsweep
