// GradientKernel: the functions that compute one block of a derivative of a
// product, for each dtype and instruction set.
//
// With x the elements of a line and c its terms, a cotangent or a tangent:
//   vjp  walks against the product, with h <- x · (c + h); for the exclusive
//        product, x · h + c. A result is the product of the elements before x
//        in the order of the product, times c + h; or times h.
//   jvp  walks with the product, with h <- x · h + c · (product before x). A
//        result is the h after x, or before it.
#pragma once

#include "../core/backend.h"
#include "recurrence_kernel.h"

namespace upsweep {

// What the lanes of a block make of the numbers before them: h becomes
// product · h + sum, where of jvp the sum is to be multiplied by the product
// before the block.
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
  void (*load)(const RecurrenceBlock& block, RecurrenceRows& rows);
  // Both return the lanes that stay in the range of doubles.
  LaneSet (*reduce)(const RecurrenceBlock& block, const RecurrenceRows& rows,
                    bool inclusive, GradientSummary& summary);
  LaneSet (*scan)(const RecurrenceBlock& block, const RecurrenceRows& rows,
                  const GradientStarts& starts, bool inclusive, bool streaming);
  void (*order_streams)();
};

}  // namespace upsweep
