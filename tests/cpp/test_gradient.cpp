// The derivatives of products through the public functions: order, options,
// zeros, shapes, and errors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "expect.h"

using namespace upsweep;

namespace {

bool same(const array& a, const array& b) {
  return array_equal(a, b).item<bool>();
}

}  // namespace

TEST_CASE("a gradient, at one zero and at two") {
  array ones{1.f, 1.f, 1.f, 1.f};
  CHECK(same(cumprod_vjp(array{2.f, 3.f, 4.f, 5.f}, ones),
             array{1.f + 3 + 12 + 60, 2.f + 8 + 40, 6.f + 30, 24.f}));
  CHECK(same(cumprod_vjp(array{2.f, 0.f, 4.f, 5.f}, ones),
             array{1.f, 2.f + 8 + 40, 0.f, 0.f}));
  CHECK(same(cumprod_vjp(array{2.f, 0.f, 4.f, 0.f}, ones),
             array{1.f, 2.f + 8, 0.f, 0.f}));
}

TEST_CASE("a tangent, forward, reverse and exclusive") {
  array a{2.f, 0.f, 4.f}, t{1.f, 10.f, 100.f};
  CHECK(same(cumprod_jvp(a, t), array{1.f, 20.f, 80.f}));
  CHECK(same(cumprod_jvp(a, t, true), array{80.f, 40.f, 100.f}));
  CHECK(same(cumprod_jvp(a, t, false, false), array{0.f, 1.f, 20.f}));
}

TEST_CASE("terms far outside the range of the dtype") {
  std::vector<float> x(4000, 0.5f), c(4000, 0.f), right(4000, 0.f);
  std::fill(x.begin() + 2000, x.end(), 2.f);
  x[10] = 0;
  c.back() = 1;
  right[10] = 2;
  auto line = [](const std::vector<float>& from) {
    return array(from.data(), {4000});
  };
  CHECK(same(cumprod_vjp(line(x), line(c)), line(right)));
}

TEST_CASE("axes, broadcast terms, and arrays as one line") {
  array a = reshape(arange(1, 7, 1, float32), {2, 3});
  array one(1.f);
  array along = cumprod_vjp(a, one, 1);
  CHECK(along.shape() == Shape{2, 3});
  CHECK(same(along, cumprod_vjp(a, ones({2, 3}), -1)));
  CHECK(same(transpose(along), cumprod_vjp(transpose(a), one, 0)));
  CHECK(cumprod_vjp(a, one).shape() == Shape{2, 3});
  CHECK(cumprod_jvp(a, one).shape() == Shape{6});
}

TEST_CASE("segments, forward, reverse and exclusive") {
  array a{2.f, 3.f, INFINITY, 5.f, 7.f}, ones = upsweep::ones({5});
  array starts{false, true, false, true, false};
  CHECK(same(cumprod_vjp(a, ones, 0, false, true, {}, {}, starts),
             array{1.f, INFINITY, 3.f, 8.f, 5.f}));
  CHECK(same(cumprod_vjp(a, ones, false, true, {}, array{1, 3}),
             array{1.f, INFINITY, 3.f, 8.f, 5.f}));
  CHECK(same(cumprod_jvp(a, ones, 0, false, false, {}, {}, starts),
             array{0.f, 0.f, 1.f, 0.f, 1.f}));
  CHECK(same(cumprod_jvp(a, ones, 0, true, true, {}, {}, starts),
             array{5.f, 1.f, INFINITY, 1.f, 1.f}));
  CHECK_THROWS_WITH_AS(
      cumprod_vjp(a, ones, 0, false, true, {}, {}, array{true, false}),
      "[cumprod_vjp] reset has shape (2); a mask must have that of the array, "
      "(5).",
      std::invalid_argument);
}

TEST_CASE("errors of derivatives name the argument") {
  array a{2.f, 3.f};
  CHECK_THROWS_WITH_AS(
      cumprod_vjp(array{1, 2}, array{1, 2}),
      "[cumprod_vjp] a is int32, whose products have no derivative; convert it "
      "to a floating-point dtype with astype.",
      TypeError);
  CHECK_THROWS_WITH_AS(
      cumprod_jvp(a, array{1., 2.}),
      "[cumprod_jvp] tangent is float64, but a is float32; convert it with "
      "astype, as both must have one dtype.",
      TypeError);
  CHECK_THROWS_WITH_AS(
      cumprod_vjp(a, ones({3}), 0),
      "[cumprod_vjp] cotangent has shape (3); give it the shape (2), or one "
      "that broadcasts to it.",
      std::invalid_argument);
  CHECK_THROWS_AS(cumprod_vjp(a, a, 1), std::out_of_range);
}
