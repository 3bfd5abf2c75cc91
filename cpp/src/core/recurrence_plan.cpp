// Merges the axes of a recurrence, and finds those that it walks.
#include "recurrence_plan.h"

#include "merge.h"

namespace upsweep {

RecurrencePlan make_recurrence_plan(const Shape& shape, const Strides& a,
                                    const Strides& b, const Strides& initial,
                                    int axis, bool reverse) {
  RecurrencePlan plan{};
  plan.outer_size = 1;
  plan.inner = {1, {0, 0, 0, 1}};
  // If one extent is 0, the product of the others may overflow.
  if (element_count(shape) == 0) return plan;
  Strides out = contiguous_strides(shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    RecurrencePlan::Axis here{shape[i], {a[i], b[i], initial[i], out[i]}};
    if (static_cast<int>(i) == axis) {
      plan.length = here;
    } else {
      add_line_axis(plan, here);
    }
  }
  for (size_t i = 0; reverse && i < plan.start.size(); ++i) {
    plan.start[i] = (plan.length.extent - 1) * plan.length.step[i];
    plan.length.step[i] = -plan.length.step[i];
  }
  return plan;
}

}  // namespace upsweep
