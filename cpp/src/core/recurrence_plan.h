// RecurrencePlan: how a linear recurrence walks its arrays. Pure arithmetic on
// shapes, for every backend.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "plan.h"
#include "shape.h"

namespace upsweep {

// As a Plan, it sees the arrays as outer × length × inner. Steps are in
// elements. An array that is broadcast along an axis has step 0 there. The
// result is contiguous, and resets have its layout.
struct RecurrencePlan {
  enum Array { a, b, initial, out };
  static constexpr int kArrays = 4;

  struct Axis {
    int64_t extent;
    std::array<int64_t, kArrays> step;  // that of initial is 0 along length
    const std::array<int64_t, kArrays>& steps() const { return step; }
  };

  Axis length;
  Axis inner;
  std::vector<Axis> outer;  // outermost first, merged as far as strides allow
  int64_t outer_size;       // product of the outer extents
  // To the first element in scan order; that of initial is 0.
  std::array<int64_t, kArrays> start;

  int64_t elements() const { return outer_size * inner.extent * length.extent; }
};

// Strides of a, b and initial for the shape of the result; initial's along the
// axis is 0.
RecurrencePlan make_recurrence_plan(const Shape& shape, const Strides& a,
                                    const Strides& b, const Strides& initial,
                                    int axis, bool reverse);

// The axes of a contiguous copy of a or b, which has the layout of the result;
// outermost first.
std::vector<Plan::Axis> copied_axes(const RecurrencePlan& plan,
                                    RecurrencePlan::Array array);
// The axes of a contiguous copy of initial, with an element for each line.
std::vector<Plan::Axis> copied_initial_axes(const RecurrencePlan& plan);
// The plan of the same recurrence over such copies.
RecurrencePlan copied_plan(const RecurrencePlan& plan);

}  // namespace upsweep
