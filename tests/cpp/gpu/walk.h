// Walks the lines of passes as the kernels do: panels along column, batch and
// the outer axes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>

#include "gpu/passes.h"

namespace upsweep {

// Where an element is in the inputs and in the result, and the result before it
// in its line, or -1.
struct Place {
  int64_t in;
  int64_t second;
  int64_t out;
  int64_t before;

  void move(const ScanAxis& axis, int64_t by) {
    in += by * axis.in_step;
    second += by * axis.second_step;
    out += by * axis.out_step;
  }
};

// Calls fn with the place of each element.
template <class Fn>
void walk(const Passes& passes, const Fn& fn) {
  const ScanParams& p = passes.params;
  int64_t along = (p.column.extent + p.width - 1) / p.width;
  int64_t beyond = (p.batch.extent + p.batches - 1) / p.batches;
  for (int64_t panel = 0; panel < passes.panels; ++panel) {
    Place start{p.in_start, p.second_start, p.out_start, -1};
    int64_t rest = panel;
    int64_t column = rest % along * p.width;
    rest /= along;
    int64_t batch = rest % beyond * p.batches;
    rest /= beyond;
    for (uint32_t i = p.outer_axes; i-- > 0;) {
      start.move(p.outer[i], rest % p.outer[i].extent);
      rest /= p.outer[i].extent;
    }
    REQUIRE(rest == 0);
    for (int64_t b = batch; b < std::min(batch + p.batches, p.batch.extent);
         ++b) {
      for (int64_t l = column; l < std::min(column + p.width, p.column.extent);
           ++l) {
        Place at = start;
        at.move(p.batch, b);
        at.move(p.column, l);
        for (int64_t t = 0; t < p.length.extent; ++t) {
          fn(at);
          at.before = at.out;
          at.move(p.length, 1);
        }
      }
    }
  }
}

}  // namespace upsweep
