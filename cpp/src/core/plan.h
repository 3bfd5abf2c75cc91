// Plan: how a scan walks memory. Pure arithmetic on shapes, for every backend.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "shape.h"

namespace upsweep {

// A scan of an array along one axis is a scan of many independent lines. The
// plan sees the array as outer × length × inner: `length` is the scanned axis,
// `inner` the axis of the lines that are scanned side by side, and `outer` is
// the rest. Inner is the last axis after the scanned one or, if there is none,
// the last one before it.
//
// Steps are in elements. The result is contiguous; for a reverse scan both
// walks start at the last element and step backwards, so code that follows the
// plan needs no direction.
struct Plan {
  struct Axis {
    int64_t extent;
    int64_t in_step;
    int64_t out_step;
    std::array<int64_t, 2> steps() const { return {in_step, out_step}; }
  };

  Axis length;
  Axis inner;
  std::vector<Axis> outer;  // outermost first, merged as far as strides allow
  int64_t outer_size;       // product of the outer extents
  int64_t in_start;         // to the first element in scan order
  int64_t out_start;
  int64_t out_extent;  // of the result along the scanned axis

  int64_t lines() const { return outer_size * inner.extent; }
  int64_t elements() const { return lines() * length.extent; }

  // The number of a line, in row-major order of the shape without the scanned
  // axis, from the place in the result of its first element in scan order.
  int64_t line_at(int64_t out) const {
    int64_t after = length.out_step < 0 ? -length.out_step : length.out_step;
    int64_t at = out - out_start;
    return at / (out_extent * after) * after + at % after;
  }
};

// With `include_initial`, the result has one element more along the axis: the
// one before the first in scan order.
Plan make_plan(const Shape& shape, const Strides& strides, int axis,
               bool reverse, bool include_initial = false);

// A contiguous copy of what a plan walks: the axes of the copy, and the plan of
// the same scan over the copy.
struct CopiedInput {
  std::vector<Plan::Axis> axes;  // outermost first
  Plan plan;
};
CopiedInput copy_input(const Plan& plan);

// Appends an innermost axis. Merges it with the last one if one step can walk
// both in both arrays, and skips it if its extent is 1.
void append_axis(std::vector<Plan::Axis>& axes, Plan::Axis axis);

// All axes of two arrays of the same shape, merged that way; outermost first.
std::vector<Plan::Axis> merge_axes(const Shape& shape, const Strides& in,
                                   const Strides& out);

}  // namespace upsweep
