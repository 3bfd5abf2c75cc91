// Passes of all small shapes, axes and stride patterns: they keep the rules of
// metal/params.h, and the tiles cover each element of each line once, in order.
#include <doctest/doctest.h>

#include <bit>
#include <map>

#include "../operators.h"
#include "gpu/passes.h"
#include "walk.h"

using namespace upsweep;

namespace {

// So small that even little arrays have several tiles and chunks.
constexpr uint32_t kFew = 8;
const Tuning tuning{kFew, [](uint32_t) { return 2u; }, 6, false};

ScanWork work_of(const Plan& plan, int64_t in_offset = 0) {
  return {Op::prod, float32, plan, true, in_offset, nullptr, nullptr};
}

// Lines of a tile that a thread scans one after the other.
uint32_t lines_per_thread(const ScanParams& p, uint32_t threads) {
  uint32_t apart = threads / p.column_threads / p.line_threads;
  return (p.width + p.column_threads - 1) / p.column_threads *
         ((p.batches + apart - 1) / apart);
}

void check_rules(const Passes& passes, const Tuning& tuning) {
  const ScanParams& p = passes.params;
  uint32_t threads = tuning.threads, items = tuning.items(4);
  CHECK(std::has_single_bit(p.column_threads));
  CHECK(std::has_single_bit(p.line_threads));
  CHECK(p.column_threads * p.line_threads <= threads);
  CHECK(p.width <= p.column.extent);
  CHECK(p.span <= p.line_threads * items);
  if (uint32_t lines = lines_per_thread(p, threads); lines != 1) {
    CHECK(p.line_threads == 1);
    CHECK(p.chunks == 1);
    CHECK(lines * p.span <= items);
  }
  CHECK((p.batches == 1 || p.span == p.length.extent));
  int64_t tiles = int64_t{p.tiles} * p.span;
  CHECK(tiles * p.chunks >= p.length.extent);
  CHECK(tiles * (p.chunks - 1) < p.length.extent);
  CHECK(p.outer_axes <= kMaxOuterAxes);
  CHECK(passes.groups() * threads < int64_t{1} << 32);
  size_t entries = p.chunks == 1 ? 0 : size_t{p.width} * p.batches;
  entries *= static_cast<size_t>(passes.groups());
  CHECK(passes.aggregate_bytes() == entries * kAggregateBytes);
  CHECK(passes.carry_bytes() == entries * kCarryBytes);
}

using Offsets = std::map<int64_t, std::pair<int64_t, int64_t>>;

// Adds {index in the result: (index in the input, the result before it)}.
void collect(const Passes& passes, Offsets& found) {
  walk(passes, [&](const Place& at) {
    REQUIRE(found.emplace(at.out, std::pair(at.in, at.before)).second);
  });
}

Offsets expected(const Shape& shape, const Strides& strides, size_t axis,
                 bool reverse, int64_t components, int64_t in_offset) {
  Offsets all;
  Strides out_strides = contiguous_strides(shape);
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  for (int64_t flat = 0; flat < size; ++flat) {
    int64_t rest = flat, in = in_offset, place = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      if (d == axis) place = rest % shape[d];
      in += rest % shape[d] * strides[d];
      rest /= shape[d];
    }
    bool first = place == (reverse ? shape[axis] - 1 : 0);
    int64_t before = flat + (reverse ? 1 : -1) * out_strides[axis];
    for (int64_t c = 0; c < components; ++c) {
      all[flat * components + c] = {in * components + c,
                                    first ? -1 : before * components + c};
    }
  }
  return all;
}

void check(const Shape& shape, const Strides& strides, int64_t in_offset, Op op,
           Dtype dtype, const Tuning& tuning = ::tuning) {
  const KernelSet& kernels = kernel_set(op, dtype);
  for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
    for (bool reverse : {false, true}) {
      Plan plan = make_plan(shape, strides, axis, reverse);
      REQUIRE(fits_kernels(plan));
      Offsets found;
      for (const Passes& passes :
           make_passes(work_of(plan, in_offset), kernels, tuning)) {
        check_rules(passes, tuning);
        collect(passes, found);
      }
      CHECK(found == expected(shape, strides, static_cast<size_t>(axis),
                              reverse, kernels.components, in_offset));
    }
  }
}

const std::vector<Shape> shapes{
    {1},        {7},          {100},         {3, 5},          {40, 3},
    {3, 40},    {1, 9, 1},    {2, 3, 4},     {5, 1, 30},      {17, 2, 3},
    {2, 33, 5}, {2, 3, 2, 7}, {3, 2, 40, 2}, {2, 2, 2, 2, 2}, {0, 3},
    {4, 0}};

}  // namespace

TEST_CASE("tiles cover every element of contiguous arrays") {
  for (const Shape& shape : shapes) {
    check(shape, contiguous_strides(shape), 0, Op::prod, float32);
    check(shape, contiguous_strides(shape), 3, Op::sum, complex64);
  }
}

TEST_CASE("tiles cover every element of views") {
  for (const Shape& shape : shapes) {
    Strides strides = contiguous_strides(shape);
    Strides reversed(strides), wide(strides), swapped(shape.size());
    int64_t step = 1, offset = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      reversed[d] = -strides[d];
      offset += std::max<int64_t>(shape[d] - 1, 0) * strides[d];
      wide[d] = 3 * strides[d];
      swapped[d] = step;
      step *= shape[d];
    }
    for (Op op : {Op::prod, Op::sum}) {
      Dtype dtype = op == Op::sum ? complex64 : float32;
      check(shape, reversed, offset, op, dtype);
      check(shape, wide, 1, op, dtype);
      check(shape, swapped, 0, op, dtype);
      check(shape, Strides(shape.size(), 0), 5, op, dtype);
    }
  }
}

TEST_CASE("threads scan several short lines, if there are enough of them") {
  const Tuning roomy{kFew, [](uint32_t) { return 16u; }, 2, false};
  auto most = [&](const Shape& shape, int axis) {
    Plan plan = make_plan(shape, contiguous_strides(shape), axis, false);
    auto all = make_passes(work_of(plan), kernel_set(Op::prod, float32), roomy);
    return lines_per_thread(all.at(0).params, kFew);
  };
  CHECK(most({1600, 1}, 1) == 16);
  CHECK(most({160, 5}, 1) == 3);
  CHECK(most({4, 1000}, 0) == 4);
  CHECK(most({300, 2, 30}, 1) == 8);
  CHECK(most({15, 1}, 1) == 1);    // one for each thread
  CHECK(most({64, 1}, 1) == 4);    // tiles for the device
  CHECK(most({1600, 9}, 1) == 1);  // no room for two
  CHECK(most({1600, 40}, 1) == 1);
  for (const Shape& shape : {Shape{700, 1}, Shape{500, 3}, Shape{3, 500},
                             Shape{40, 5, 37}, Shape{2, 16, 90}, Shape{333}}) {
    Strides reversed = contiguous_strides(shape);
    int64_t last = -1;
    for (int64_t& stride : reversed) stride = -stride;
    for (size_t d = 0; d < shape.size(); ++d)
      last -= (shape[d] - 1) * reversed[d];
    check(shape, contiguous_strides(shape), 0, Op::prod, float32, roomy);
    check(shape, contiguous_strides(shape), 1, Op::sum, complex64, roomy);
    check(shape, reversed, last + 1, Op::prod, float32, roomy);
  }
}

TEST_CASE("tiles of columns have about as many each") {
  const Tuning usual{128, [](uint32_t) { return 64u; }, 512, false};
  auto width = [&](int64_t columns) {
    Shape shape{100'000, columns};
    Plan plan = make_plan(shape, contiguous_strides(shape), 0, false);
    return make_passes(work_of(plan), kernel_set(Op::prod, float32), usual)
        .at(0)
        .params.width;
  };
  CHECK(width(31) == 31);
  CHECK(width(32) == 32);
  CHECK(width(33) == 17);
  CHECK(width(100) == 32);
  CHECK(width(257) == 29);
}

TEST_CASE("threads have something to do whatever the order of axes") {
  const Tuning usual{256, [](uint32_t) { return 16u; }, 512, false};
  const std::pair<Shape, Strides> views[]{
      {{8192, 4, 3}, {12, 3, 1}},
      {{8192, 4, 3}, {3, 24576, 1}},  // transposed
      {{8192, 3, 4, 2}, {8, 65536, 2, 1}},
      {{4, 8192, 3}, {3, 12, 1}},
      {{8192, 2, 2}, {6, 2, 1}},  // a slice
      {{5000, 2, 16}, {16, 80000, 1}},
      {{300, 300, 3}, {3, 900, 1}},
  };
  for (const auto& view : views) {
    const Shape& shape = view.first;
    int axis = static_cast<int>(shape.size()) - 1;
    Plan plan = make_plan(shape, view.second, axis, false);
    int64_t elements = 1, threads = 0;
    for (int64_t extent : shape) elements *= extent;
    for (const Passes& passes :
         make_passes(work_of(plan), kernel_set(Op::prod, float32), usual)) {
      threads += passes.groups() * usual.threads;
    }
    CAPTURE(shape[1]);
    CHECK(threads <= elements);
  }
}

TEST_CASE("grids too large are divided") {
  // 2^34 lines of one element, which no tile can join.
  Shape shape{int64_t{1} << 34, 2, 3};
  Plan plan = make_plan(shape, {6, 1, 2}, 1, false);
  auto all = make_passes(work_of(plan), kernel_set(Op::prod, float32), tuning);
  CHECK(all.size() > 1);
  int64_t lines = 0;
  for (const Passes& passes : all) {
    check_rules(passes, tuning);
    const ScanParams& p = passes.params;
    int64_t here = p.column.extent * p.batch.extent;
    for (uint32_t i = 0; i < p.outer_axes; ++i) here *= p.outer[i].extent;
    CHECK(p.in_start == 2 * lines);
    lines += here;
  }
  CHECK(lines == 3 * (int64_t{1} << 34));
}

TEST_CASE("totals need few chunks, which cover each line") {
  const Tuning look_back{kFew, [](uint32_t) { return 2u; }, 6, true};
  for (const Shape& shape :
       {Shape{1}, Shape{7}, Shape{1 << 20}, Shape{3, 99'999}, Shape{5000, 40},
        Shape{100'000, 3}, Shape{9, 9999, 2}}) {
    size_t axis = shape.size() == 3 ? 1 : shape.size() - 1;
    Plan plan = make_plan(shape, contiguous_strides(shape),
                          static_cast<int>(axis), false);
    auto all = make_passes(work_of(plan), kernel_set(Op::prod, float32),
                           look_back, kGivesTotals);
    REQUIRE(all.size() == 1);
    const ScanParams& p = all[0].params;
    int64_t tiles = (shape[axis] + p.span - 1) / p.span;
    CHECK(int64_t{p.tiles} * p.chunks >= tiles);
    CHECK(int64_t{p.tiles} * (p.chunks - 1) < tiles);
    CHECK(all[0].groups() <= std::max<int64_t>(2 * 512, all[0].panels));
    CHECK(all[0].groups() >= std::min<int64_t>(512 / 2, all[0].panels * tiles));
    CHECK(all[0].aggregate_bytes() == 0);
  }
}

TEST_CASE("what has too many axes for the kernels is copied as it lies") {
  Shape shape(15, 2);
  Strides strides;
  for (size_t d = 0; d < shape.size(); ++d) {
    strides.push_back(int64_t{1} << (d * 7 % 15));
  }
  for (int axis : {0, 6, 14}) {
    for (bool reverse : {false, true}) {
      Plan plan = make_plan(shape, strides, axis, reverse);
      CHECK(!fits_kernels(plan));
      auto [axes, copied] = copy_input(plan);
      int64_t step = 1;
      for (size_t i = axes.size(); i-- > 0;) {
        CHECK(axes[i].out_step == step);
        CHECK(axes[i].in_step > 0);
        step *= axes[i].extent;
      }
      CHECK(step == int64_t{1} << 15);
      REQUIRE(fits_kernels(copied));
      Offsets found;
      for (const Passes& passes : make_passes(
               work_of(copied), kernel_set(Op::prod, float32), tuning)) {
        collect(passes, found);
      }
      CHECK(found == expected(shape, contiguous_strides(shape),
                              static_cast<size_t>(axis), reverse, 1, 0));
    }
  }
}

TEST_CASE("every operator has kernels for every dtype that a GPU has") {
  for (Op op : kOperators) {
    for (int i = 0; i <= static_cast<int>(Dtype::Val::complex64); ++i) {
      Dtype dtype{static_cast<Dtype::Val>(i)};
      if (dtype == float64) {
        CHECK_THROWS_AS(kernel_set(op, dtype), std::invalid_argument);
      } else if (result_dtype(op, dtype) == dtype) {
        const KernelSet& kernels = kernel_set(op, dtype);
        CHECK(kernels.components * kernels.itemsize == dtype.size());
      }
    }
  }
}
