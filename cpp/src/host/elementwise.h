// Elementwise work: walks two arrays of the same shape together, on as many
// threads as pay off.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../core/plan.h"
#include "pool.h"

namespace upsweep {

// Elements along the last of the merged axes. Offsets and steps are in elements
// and, as in Plan::Axis, given for each array.
struct Run {
  int64_t index;  // of the first one, in row-major order
  int64_t count;
  int64_t in, in_step;
  int64_t out, out_step;
};

// Calls visit(run) until all elements are visited, on several threads if there
// are many. When visit returns false, its thread skips the rest of its range.
template <class Visit>
void for_each_run(const std::vector<Plan::Axis>& axes, const Visit& visit) {
  Plan::Axis line{1, 0, 0};
  if (!axes.empty()) line = axes.back();
  int64_t size = 1;
  for (const Plan::Axis& axis : axes) size *= axis.extent;
  for_ranges(size, [&](int64_t first, int64_t last) {
    while (first < last) {
      int64_t in_line = first % line.extent, rest = first / line.extent;
      Run run{first,
              std::min(line.extent - in_line, last - first),
              in_line * line.in_step,
              line.in_step,
              in_line * line.out_step,
              line.out_step};
      for (size_t i = axes.size(); i-- > 1;) {
        const Plan::Axis& axis = axes[i - 1];
        run.in += rest % axis.extent * axis.in_step;
        run.out += rest % axis.extent * axis.out_step;
        rest /= axis.extent;
      }
      if (!visit(run)) return;
      first += run.count;
    }
  });
}

}  // namespace upsweep
