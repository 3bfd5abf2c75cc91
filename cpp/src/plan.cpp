// Merging axes, and choosing panels and tiles.
#include "plan.h"

#include <algorithm>
#include <cstdlib>

#include "axis.h"

namespace upsweep {

namespace {

// Bytes of one tile: small enough for the second-level cache together with its
// result and the next one, large enough that handing on a carry costs nothing
// beside it, and whole blocks of segments for every dtype.
constexpr int64_t kTileBytes = 1 << 16;
// From as many panels on, threads share panels rather than lines.
constexpr int64_t kEnoughPanels = 16;
// Lines that lie one behind the other are scanned side by side where they are
// shorter than this; longer ones on their own.
constexpr int64_t kShortLine = 1024;
constexpr int64_t kLanes = 16;
// No line goes on for longer without a new tile: roundings add up within a tile
// and over the tiles, but not from one into the next.
constexpr int64_t kMaxTile = 1 << 20;
// A tile of many lines still has this many elements of each.
constexpr int64_t kMinTile = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Makes two neighbouring axes one, where one step can walk both in both arrays.
bool merge(Plan::Axis& outer, const Plan::Axis& inner) {
  if (inner.extent == 1) return true;
  if (outer.extent != 1 && (outer.in_step != inner.in_step * inner.extent ||
                            outer.out_step != inner.out_step * inner.extent)) {
    return false;
  }
  outer = {outer.extent * inner.extent, inner.in_step, inner.out_step};
  return true;
}

}  // namespace

Strides contiguous_strides(const Shape& shape) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step = wrapping_product(step, std::max<int64_t>(shape[i], 1));
  }
  return strides;
}

void append_axis(std::vector<Plan::Axis>& axes, Plan::Axis axis) {
  if (axis.extent == 1) return;
  if (axes.empty() || !merge(axes.back(), axis)) axes.push_back(axis);
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
               bool reverse, Dtype dtype) {
  int64_t out_step = 1;
  for (int64_t extent : shape) out_step *= std::max<int64_t>(extent, 1);

  Plan plan{};
  plan.inner = {1, 0, 1};
  bool columns = false;  // neighbours in the result
  for (int i = 0; i < static_cast<int>(shape.size()); ++i) {
    out_step /= std::max<int64_t>(shape[i], 1);
    Plan::Axis here{shape[i], strides[i], out_step};
    if (i == axis) {
      plan.length = here;
      continue;
    }
    columns |= i > axis && here.extent != 1;
    if (!merge(plan.inner, here)) {
      plan.outer.push_back(plan.inner);
      plan.inner = here;
    }
  }
  plan.outer_size = 1;
  for (const Plan::Axis& outer : plan.outer) plan.outer_size *= outer.extent;

  int64_t n = plan.length.extent;
  if (reverse && n > 0) {
    plan.in_start = (n - 1) * plan.length.in_step;
    plan.out_start = (n - 1) * plan.length.out_step;
    plan.length.in_step = -plan.length.in_step;
    plan.length.out_step = -plan.length.out_step;
  }

  auto itemsize = static_cast<int64_t>(dtype.size());
  int64_t tile_size = kTileBytes / itemsize;
  int64_t max_width = Plan::kPanelBytes / itemsize;
  int64_t lines = std::max<int64_t>(plan.inner.extent, 1);
  plan.tile = std::clamp<int64_t>(n, 1, kMaxTile);
  // Or in the input, where its axes are swapped.
  columns |= std::abs(plan.inner.in_step) == 1 && lines > 1 &&
             std::abs(plan.length.in_step) != 1;
  if (columns) {
    plan.width = std::min(lines, max_width);
    if (plan.outer_size * ceil_div(lines, plan.width) < kEnoughPanels) {
      plan.tile = std::max(kMinTile, tile_size / plan.width);
    }
  } else if (n <= kShortLine && lines >= kLanes / 2) {
    int64_t fitting = tile_size / std::max<int64_t>(n, 1) / kLanes * kLanes;
    plan.width = std::min(lines, std::clamp(fitting, kLanes, max_width));
  } else {
    plan.width = 1;
    plan.tile = tile_size;
  }
  plan.panels = plan.outer_size * ceil_div(lines, plan.width);
  plan.tiles = ceil_div(n, plan.tile);
  return plan;
}

Plan::Panel Plan::panel(int64_t index) const {
  int64_t per_row = ceil_div(inner.extent, width);
  int64_t first = index % per_row * width;
  int64_t row = index / per_row;
  Panel panel{in_start + first * inner.in_step,
              out_start + first * inner.out_step,
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
