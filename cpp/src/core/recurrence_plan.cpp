// Merges the axes of a recurrence, and finds those that it walks.
#include "recurrence_plan.h"

#include <algorithm>
#include <cstdlib>

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

std::vector<Plan::Axis> copied_axes(const RecurrencePlan& plan,
                                    RecurrencePlan::Array array) {
  std::vector<Plan::Axis> axes;
  auto append = [&](const RecurrencePlan::Axis& axis, int64_t direction) {
    axes.push_back({axis.extent, direction * axis.step[array],
                    direction * axis.step[RecurrencePlan::out]});
  };
  for (const auto& outer : plan.outer) append(outer, 1);
  append(plan.inner, 1);
  // The copy runs forward, whatever the direction of the recurrence.
  append(plan.length, plan.length.step[RecurrencePlan::out] < 0 ? -1 : 1);
  std::erase_if(axes, [](const Plan::Axis& axis) { return axis.extent == 1; });
  std::sort(axes.begin(), axes.end(),
            [](const Plan::Axis& a, const Plan::Axis& b) {
              return a.out_step > b.out_step;
            });
  return axes;
}

std::vector<Plan::Axis> copied_initial_axes(const RecurrencePlan& plan) {
  std::vector<Plan::Axis> axes;
  int64_t lines = plan.outer_size * plan.inner.extent;
  auto append = [&](const RecurrencePlan::Axis& axis) {
    lines /= axis.extent;
    axes.push_back({axis.extent, axis.step[RecurrencePlan::initial], lines});
  };
  for (const auto& outer : plan.outer) append(outer);
  append(plan.inner);
  return axes;
}

RecurrencePlan copied_plan(const RecurrencePlan& plan) {
  int64_t out_step = plan.length.step[RecurrencePlan::out];
  int64_t after = std::abs(out_step);
  Shape shape{plan.outer_size * plan.inner.extent / after, plan.length.extent,
              after};
  Strides strides = contiguous_strides(shape);
  return make_recurrence_plan(shape, strides, strides, {after, 0, 1}, 1,
                              out_step < 0);
}

}  // namespace upsweep
