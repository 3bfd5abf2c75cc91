// Merging axes, and choosing panels and tiles.
#include "plan.h"

#include <algorithm>

namespace upsweep {

namespace {

// Elements of one tile: small enough for the second-level cache together with
// its result, large enough that handing on a carry costs nothing beside it.
constexpr int64_t kTileBytes = 64 << 10;
// Lines of one panel: whole cache lines of every dtype, and carries that fit
// the first-level cache.
constexpr int64_t kMaxWidth = 256;
// A tile of many lines still has this many elements of each.
constexpr int64_t kMinTile = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Strides contiguous_strides(const Shape& shape) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

std::vector<Plan::Axis> merge_axes(const std::vector<Plan::Axis>& axes) {
  std::vector<Plan::Axis> merged;
  for (const Plan::Axis& axis : axes) {
    if (axis.extent == 1) continue;
    if (!merged.empty()) {
      Plan::Axis& last = merged.back();
      if (last.in_step == axis.in_step * axis.extent &&
          last.out_step == axis.out_step * axis.extent) {
        last = {last.extent * axis.extent, axis.in_step, axis.out_step};
        continue;
      }
    }
    merged.push_back(axis);
  }
  return merged;
}

Plan make_plan(const Shape& shape, const Strides& strides, int axis,
               bool reverse, Dtype dtype) {
  Strides out_strides = contiguous_strides(shape);
  auto axis_at = [&](int i) {
    return Plan::Axis{shape[i], strides[i], out_strides[i]};
  };
  std::vector<Plan::Axis> before, after;
  for (int i = 0; i < axis; ++i) before.push_back(axis_at(i));
  for (int i = axis + 1; i < static_cast<int>(shape.size()); ++i) {
    after.push_back(axis_at(i));
  }
  after = merge_axes(after);

  Plan plan{};
  plan.length = axis_at(axis);
  plan.inner = {1, 0, 1};
  if (!after.empty()) {
    plan.inner = after.back();
    after.pop_back();
  }
  before.insert(before.end(), after.begin(), after.end());
  plan.outer = merge_axes(before);
  plan.outer_size = 1;
  for (const Plan::Axis& outer : plan.outer) plan.outer_size *= outer.extent;

  int64_t n = plan.length.extent;
  if (reverse && n > 0) {
    plan.in_start = (n - 1) * plan.length.in_step;
    plan.out_start = (n - 1) * plan.length.out_step;
    plan.length.in_step = -plan.length.in_step;
    plan.length.out_step = -plan.length.out_step;
  }

  plan.width = std::clamp<int64_t>(plan.inner.extent, 1, kMaxWidth);
  plan.panels = plan.outer_size * ceil_div(plan.inner.extent, plan.width);
  plan.tile = std::max(
      kMinTile, kTileBytes / static_cast<int64_t>(dtype.size()) / plan.width);
  plan.tiles = ceil_div(n, plan.tile);
  return plan;
}

Plan::Panel Plan::panel(int64_t index) const {
  int64_t per_row = ceil_div(inner.extent, width);
  int64_t first = index % per_row * width;
  int64_t row = index / per_row;
  Panel panel{in_start + first * inner.in_step, out_start + first,
              std::min(width, inner.extent - first)};
  for (size_t i = outer.size(); i-- > 0;) {
    int64_t at = row % outer[i].extent;
    row /= outer[i].extent;
    panel.in += at * outer[i].in_step;
    panel.out += at * outer[i].out_step;
  }
  return panel;
}

}  // namespace upsweep
