// Plans of all small shapes, axes and stride patterns, walked element by
// element and compared with the definition of a scan's order.
#include <doctest/doctest.h>

#include <map>

#include "core/plan.h"
#include "cpu/tiling.h"

using namespace upsweep;

namespace {

// For each element of the result in memory: its input offset, and the result
// before it in its line (-1 for the first).
struct Step {
  int64_t in;
  int64_t before;
  bool operator==(const Step&) const = default;
};

std::map<int64_t, Step> walk(const Plan& plan) {
  std::map<int64_t, Step> steps;
  Tiling tiling = make_tiling(plan, float32);
  for (int64_t p = 0; p < tiling.panels; ++p) {
    Panel panel = find_panel(plan, tiling, p);
    for (int64_t lane = 0; lane < panel.width; ++lane) {
      int64_t before = -1;
      for (int64_t t = 0; t < plan.length.extent; ++t) {
        int64_t out =
            panel.out + lane * plan.inner.out_step + t * plan.length.out_step;
        int64_t in =
            panel.in + lane * plan.inner.in_step + t * plan.length.in_step;
        REQUIRE(steps.emplace(out, Step{in, before}).second);
        before = out;
      }
    }
  }
  return steps;
}

std::map<int64_t, Step> expected(const Shape& shape, const Strides& strides,
                                 size_t axis, bool reverse) {
  std::map<int64_t, Step> steps;
  Strides out_strides = contiguous_strides(shape);
  Shape index(shape.size(), 0);
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  for (int64_t flat = 0; flat < size; ++flat) {
    int64_t rest = flat, in = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      index[d] = rest % shape[d];
      rest /= shape[d];
      in += index[d] * strides[d];
    }
    bool first = index[axis] == (reverse ? shape[axis] - 1 : 0);
    int64_t to_before = (reverse ? 1 : -1) * out_strides[axis];
    steps[flat] = {in, first ? -1 : flat + to_before};
  }
  return steps;
}

}  // namespace

TEST_CASE("a plan visits every element once, in scan order") {
  std::vector<Shape> shapes = {{1},       {5},      {3, 4},       {4, 1, 3},
                               {2, 3, 4}, {1, 1},   {2, 1, 2, 3}, {3, 2, 2, 2},
                               {2, 300},  {300, 2}, {2, 3, 300}};
  for (const Shape& shape : shapes) {
    Strides rows = contiguous_strides(shape);
    Strides columns(shape.size()), gaps = rows, negative = rows,
                                   repeated = rows;
    int64_t step = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      columns[d] = step;
      step *= shape[d];
      gaps[d] = rows[d] * 2 + static_cast<int64_t>(d);
      negative[d] = -rows[d];
    }
    repeated[0] = 0;
    for (const Strides& strides : {rows, columns, gaps, negative, repeated}) {
      for (size_t axis = 0; axis < shape.size(); ++axis) {
        for (bool reverse : {false, true}) {
          Plan plan =
              make_plan(shape, strides, static_cast<int>(axis), reverse);
          CHECK(walk(plan) == expected(shape, strides, axis, reverse));
        }
      }
    }
  }
}

TEST_CASE("tiles cover the axis") {
  for (int64_t n : {0, 1, 63, 64, 65, 16383, 16384, 16385, 1 << 20}) {
    for (int64_t inner : {1, 2, 255, 256, 257, 5000}) {
      Tiling tiling = make_tiling(
          make_plan({n, inner}, contiguous_strides({n, inner}), 0, false),
          float64);
      CHECK(tiling.tiles * tiling.tile >= n);
      CHECK((tiling.tiles - 1) * tiling.tile < std::max<int64_t>(n, 1));
    }
  }
}

TEST_CASE("neighbouring axes merge where one step walks both") {
  Plan plan =
      make_plan({2, 3, 4, 5}, contiguous_strides({2, 3, 4, 5}), 1, false);
  CHECK(plan.inner.extent == 20);
  CHECK(plan.outer.size() == 1);
  plan = make_plan({2, 3, 4, 5}, contiguous_strides({2, 3, 4, 5}), 3, false);
  CHECK(plan.inner.extent == 24);
  CHECK(plan.outer.empty());
}
