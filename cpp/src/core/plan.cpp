// Merges axes, and finds those that a scan walks.
#include "plan.h"

#include <algorithm>
#include <utility>

#include "merge.h"

namespace upsweep {

void append_axis(std::vector<Plan::Axis>& axes, Plan::Axis axis) {
  if (axis.extent == 1) return;
  if (axes.empty() || !merge_axis(axes.back(), axis)) axes.push_back(axis);
}

std::vector<Plan::Axis> merge_axes(const Shape& shape, const Strides& in,
                                   const Strides& out) {
  std::vector<Plan::Axis> axes;
  if (element_count(shape) == 0) return {{0, 0, 0}};
  for (size_t i = 0; i < shape.size(); ++i) {
    append_axis(axes, {shape[i], in[i], out[i]});
  }
  return axes;
}

Plan make_plan(const Shape& shape, const Strides& strides, int axis,
               bool reverse, bool include_initial) {
  auto out_extent = [&](int i) {
    int64_t extent = shape[static_cast<size_t>(i)];
    if (i == axis && include_initial) ++extent;
    return std::max<int64_t>(extent, 1);
  };
  int rank = static_cast<int>(shape.size());
  int64_t out_step = 1;
  for (int i = 0; i < rank; ++i) out_step *= out_extent(i);

  Plan plan{};
  plan.out_extent = out_extent(axis);
  plan.inner = {1, 0, 1};
  plan.outer_size = 1;
  for (int i = 0; i < rank; ++i) {
    out_step /= out_extent(i);
    Plan::Axis here{shape[i], strides[i], out_step};
    if (i == axis) {
      plan.length = here;
    } else {
      add_line_axis(plan, here);
    }
  }

  int64_t n = plan.length.extent;
  if (reverse && n > 0) {
    plan.in_start = (n - 1) * plan.length.in_step;
    plan.out_start = (n - 1) * plan.length.out_step;
    plan.length.in_step = -plan.length.in_step;
    plan.length.out_step = -plan.length.out_step;
  } else if (include_initial) {
    plan.out_start = plan.length.out_step;
  }
  return plan;
}

CopiedInput copy_input(const Plan& plan) {
  // The copy runs forward, whatever the direction of the scan.
  bool reverse = plan.length.out_step < 0;
  Plan::Axis length = plan.length;
  if (reverse) length = {length.extent, -length.in_step, -length.out_step};
  std::vector<Plan::Axis> axes = plan.outer;
  axes.push_back(plan.inner);
  axes.push_back(length);
  std::erase_if(axes, [](const Plan::Axis& axis) { return axis.extent == 1; });
  std::sort(axes.begin(), axes.end(),
            [](const Plan::Axis& a, const Plan::Axis& b) {
              return a.out_step > b.out_step;
            });
  // The result may have room for initial values; the copy has none.
  int64_t step = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    axes[i].out_step = step;
    step *= axes[i].extent;
  }
  int64_t after = length.out_step;
  Shape shape{plan.lines() / after, length.extent, after};
  bool include_initial = plan.out_extent != length.extent;
  return {std::move(axes), make_plan(shape, contiguous_strides(shape), 1,
                                     reverse, include_initial)};
}

}  // namespace upsweep
