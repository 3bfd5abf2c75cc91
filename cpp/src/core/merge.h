// How plans merge the axes of their arrays. An Axis has an extent and steps(),
// its step in each array.
#pragma once

#include <cstddef>
#include <cstdint>

namespace upsweep {

// Merges two neighbouring axes if one step can walk both in every array.
template <class Axis>
bool merge_axis(Axis& outer, const Axis& inner) {
  if (inner.extent == 1) return true;
  auto far = outer.steps(), near = inner.steps();
  for (size_t i = 0; outer.extent != 1 && i < near.size(); ++i) {
    if (far[i] != near[i] * inner.extent) return false;
  }
  int64_t extent = outer.extent * inner.extent;
  outer = inner;
  outer.extent = extent;
  return true;
}

// Adds an axis of the lines of a plan, inside those that it has.
template <class Plan, class Axis>
void add_line_axis(Plan& plan, const Axis& axis) {
  if (merge_axis(plan.inner, axis)) return;
  plan.outer_size *= plan.inner.extent;
  plan.outer.push_back(plan.inner);
  plan.inner = axis;
}

}  // namespace upsweep
