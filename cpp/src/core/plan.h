// Plan: how a scan walks memory. Pure arithmetic on shapes, for every backend.
#pragma once

#include <cstdint>
#include <vector>

#include "shape.h"

namespace upsweep {

// A scan of an array along one axis is a scan of many independent lines. The
// plan sees the array as outer × length × inner: `length` is the scanned axis,
// `inner` the axis of the lines that are scanned side by side, `outer` all
// else. Inner is the last axis after the scanned one; where there is none, the
// last one before it.
//
// Steps are in elements. The result is contiguous; for a reverse scan both
// walks start at the last element and step backwards, so that code which
// follows the plan needs no direction.
struct Plan {
  struct Axis {
    int64_t extent;
    int64_t in_step;
    int64_t out_step;
  };

  Axis length;
  Axis inner;
  std::vector<Axis> outer;  // outermost first, merged as far as strides allow
  int64_t outer_size;       // product of the outer extents
  int64_t in_start;         // to the first element in scan order
  int64_t out_start;
};

Plan make_plan(const Shape& shape, const Strides& strides, int axis,
               bool reverse);

// A contiguous copy of what a plan walks: the axes of the copy, and the plan of
// the same scan over the copy.
struct CopiedInput {
  std::vector<Plan::Axis> axes;  // outermost first
  Plan plan;
};
CopiedInput copy_input(const Plan& plan);

// Appends an axis inside the others: merged with the last of them where one
// step can walk both in both arrays, and not at all where its extent is 1.
void append_axis(std::vector<Plan::Axis>& axes, Plan::Axis axis);

// All axes of two arrays of one shape, merged so; outermost first.
std::vector<Plan::Axis> merge_axes(const Shape& shape, const Strides& in,
                                   const Strides& out);

}  // namespace upsweep
