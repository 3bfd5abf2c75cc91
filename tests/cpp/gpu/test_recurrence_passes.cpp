// Passes of recurrences over all small shapes, axes and ways to broadcast: each
// element gets its factor, its term and its line, in order. And the copies of
// inputs that the kernels cannot walk.
#include <map>
#include <tuple>

#include "walk.h"

using namespace upsweep;

namespace {

constexpr uint32_t kFew = 8;
const Tuning tuning{kFew, [](uint32_t) { return 2u; }, 6, false};

// Strides of an array that is broadcast along the axes in a set of bits and
// runs backwards along others.
Strides strides_of(const Shape& shape, unsigned broadcast, unsigned backwards) {
  Strides strides = contiguous_strides(shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (broadcast >> i & 1) strides[i] = 0;
    if (backwards >> i & 1) strides[i] = -strides[i];
  }
  return strides;
}

RecurrenceWork work_of(RecurrencePlan plan) {
  return {float32, std::move(plan), true, {nullptr, 1000}, {nullptr, 2000}, {},
          {},      nullptr};
}

// {index in the result: (a, b, the result before it)}
using Found = std::map<int64_t, std::tuple<int64_t, int64_t, int64_t>>;

Found expected(const Shape& shape, const Strides& a, const Strides& b,
               size_t axis, bool reverse) {
  Found all;
  Strides out = contiguous_strides(shape);
  for (int64_t flat = 0; flat < element_count(shape); ++flat) {
    int64_t rest = flat, from_a = 1000, from_b = 2000, place = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      int64_t at = rest % shape[d];
      rest /= shape[d];
      if (d == axis) place = at;
      from_a += at * a[d];
      from_b += at * b[d];
    }
    bool first = place == (reverse ? shape[axis] - 1 : 0);
    int64_t before = first ? -1 : flat + (reverse ? 1 : -1) * out[axis];
    all[flat] = {from_a, from_b, before};
  }
  return all;
}

void check(const Shape& shape, const Strides& a, const Strides& b) {
  const KernelSet& kernels = *recurrence_kernel_set(float32);
  for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
    for (bool reverse : {false, true}) {
      RecurrencePlan plan = make_recurrence_plan(
          shape, a, b, Strides(shape.size(), 0), axis, reverse);
      REQUIRE(fits_kernels(plan));
      Found found;
      for (const Passes& passes :
           make_passes(work_of(plan), {}, kernels, tuning)) {
        // A thread has whole vectors of each array.
        CHECK(passes.params.span <= passes.params.line_threads * 4);
        walk(passes, [&](const Place& at) {
          std::tuple from(at.in, at.second, at.before);
          REQUIRE(found.emplace(at.out, from).second);
        });
      }
      CHECK(found == expected(shape, a, b, static_cast<size_t>(axis), reverse));
    }
  }
}

}  // namespace

TEST_CASE("passes of a recurrence walk both inputs") {
  const Shape shapes[]{{1},        {100},        {3, 40}, {40, 3},
                       {5, 1, 30}, {2, 3, 2, 7}, {3, 0}};
  for (const Shape& shape : shapes) {
    unsigned all = 1u << shape.size();
    for (unsigned broadcast = 0; broadcast < all; ++broadcast) {
      for (unsigned backwards = 0; backwards < all; ++backwards) {
        Strides strides = strides_of(shape, broadcast, backwards);
        check(shape, strides, contiguous_strides(shape));
        check(shape, contiguous_strides(shape), strides);
        check(shape, strides, strides_of(shape, backwards, broadcast));
      }
    }
  }
}

TEST_CASE("float16, bfloat16 and float32 have kernels of recurrences") {
  for (Dtype dtype : {float16, bfloat16, float32}) {
    const KernelSet* kernels = recurrence_kernel_set(dtype);
    REQUIRE(kernels);
    CHECK(kernels->name == std::string("recurrence_") + dtype.name());
    CHECK(kernels->itemsize == dtype.size());
    CHECK(kernels->inputs == 2);
  }
  CHECK(!recurrence_kernel_set(float64));
  CHECK(!recurrence_kernel_set(complex64));
}

TEST_CASE("parameters of resets, of initial values and of room") {
  Shape shape{3, 5000, 7};
  Strides strides = contiguous_strides(shape);
  RecurrencePlan plan =
      make_recurrence_plan(shape, strides, strides, {7, 0, 1}, 1, true);
  RecurrenceWork work = work_of(plan);
  const KernelSet& kernels = *recurrence_kernel_set(float32);
  Initial initial{Initial::Kind::element, true, 5, nullptr};
  Passes passes = make_passes(work, initial, kernels, tuning)[0];
  const ScanParams& p = passes.params;
  CHECK(p.reads_resets == 0);
  CHECK(p.include_initial == 0);
  CHECK(p.initial_kind == kInitialElement);
  CHECK(p.initial_per_line == 1);
  CHECK(p.initial_start == 5);
  // The number of each line.
  walk(passes, [&](const Place& at) {
    int64_t from = at.out % (5000 * 7) % 7 + at.out / (5000 * 7) * 7;
    if (at.before != -1) return;
    int64_t place = at.out - p.first_out;
    CHECK(place / p.line_block * p.lines_after + place % p.line_block == from);
  });
  size_t entries = size_t{p.width} * p.batches * p.chunks *
                   static_cast<size_t>(passes.panels);
  CHECK(passes.aggregate_bytes() ==
        entries * (uint32_t{kAggregateBytes} + kResetBytes));
}

TEST_CASE("copies of inputs have the layout of the result") {
  // Stands for more axes than the kernels have.
  Shape shape{2, 3, 4, 5};
  Strides a{0, 20, 5, 1}, b{60, -20, 0, 1}, initial{1, 2, 0, 6};
  for (bool reverse : {false, true}) {
    RecurrencePlan plan =
        make_recurrence_plan(shape, a, b, initial, 2, reverse);
    auto copy_of = [](const std::vector<Plan::Axis>& axes) {
      std::map<int64_t, int64_t> from{{0, 0}};
      for (const Plan::Axis& axis : axes) {
        std::map<int64_t, int64_t> more;
        for (auto [out, in] : from) {
          for (int64_t i = 0; i < axis.extent; ++i) {
            more[out + i * axis.out_step] = in + i * axis.in_step;
          }
        }
        from = more;
      }
      return from;
    };
    auto of_a = copy_of(copied_axes(plan, RecurrencePlan::a));
    auto of_b = copy_of(copied_axes(plan, RecurrencePlan::b));
    REQUIRE(of_a.size() == 120);
    for (int64_t flat = 0; flat < 120; ++flat) {
      int64_t i = flat / 60, j = flat / 20 % 3, k = flat / 5 % 4, l = flat % 5;
      CHECK(of_a[flat] == j * 20 + k * 5 + l);
      CHECK(of_b[flat] == i * 60 - j * 20 + l);
    }
    auto of_initial = copy_of(copied_initial_axes(plan));
    REQUIRE(of_initial.size() == 30);
    for (int64_t line = 0; line < 30; ++line) {
      CHECK(of_initial[line] == line / 15 + line / 5 % 3 * 2 + line % 5 * 6);
    }
    RecurrencePlan over = copied_plan(plan);
    CHECK(over.length.extent == 4);
    CHECK(over.elements() == 120);
    CHECK(over.start[RecurrencePlan::a] == (reverse ? 15 : 0));
    CHECK(over.start[RecurrencePlan::out] == (reverse ? 15 : 0));
    CHECK(fits_kernels(over));
  }
}
