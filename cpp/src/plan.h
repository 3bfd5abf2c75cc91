// Plan: how a scan walks memory. Pure arithmetic on shapes, for every backend.
#pragma once

#include <cstdint>
#include <vector>

#include "upsweep/array.h"

namespace upsweep {

// A scan of an array along one axis is a scan of many independent lines. The
// plan sees the array as outer × length × inner: `length` is the scanned axis,
// `inner` the axis of the lines that are scanned side by side, `outer` all
// else. Inner is the last axis after the scanned one; where there is none, the
// last one before it.
//
// Lines are grouped into panels of up to `width` neighbours along inner, and a
// panel may be cut into tiles along the scanned axis. Both depend on shape,
// strides and dtype only, never on threads, because where a tile ends is where
// rounding may differ.
//
// Steps are in elements. The result is contiguous; for a reverse scan both
// walks start at the last element and step backwards, so that whoever follows
// the plan knows no direction.
struct Plan {
  // A row of a panel of neighbours in memory has at most so many bytes: whole
  // cache lines, and carries that fit the first-level cache.
  static constexpr int64_t kPanelBytes = 1024;

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

  int64_t width;   // lines of a panel
  int64_t panels;  // panels of the whole array
  int64_t tile;    // elements of a line in one tile
  int64_t tiles;   // tiles of a line

  // Where the first line of a panel starts, and how many lines it has.
  struct Panel {
    int64_t in;
    int64_t out;
    int64_t width;
  };
  Panel panel(int64_t index) const;
};

Plan make_plan(const Shape& shape, const Strides& strides, int axis,
               bool reverse, Dtype dtype);

// Appends an axis inside the others: merged with the last of them where one
// step can walk both in both arrays, and not at all where its extent is 1.
void append_axis(std::vector<Plan::Axis>& axes, Plan::Axis axis);

// All axes of two arrays of one shape, merged so; outermost first.
std::vector<Plan::Axis> merge_axes(const Shape& shape, const Strides& in,
                                   const Strides& out);

// The strides of a contiguous array.
Strides contiguous_strides(const Shape& shape);

}  // namespace upsweep
