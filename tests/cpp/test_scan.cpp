// Scans through the public functions: order, special values, and bits that do
// not depend on the number of threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

// Powers of two, whose products are exact: the results are known without any
// rounding. Exponents walk at random but stay within ±60.
struct Powers {
  std::vector<float> factors;
  std::vector<float> products;
};

Powers make_powers(size_t n) {
  Powers powers;
  std::mt19937 random(7);
  int exponent = 0;
  for (size_t i = 0; i < n; ++i) {
    int next = static_cast<int>(random() % 121) - 60;
    float sign = random() % 2 ? 1.f : -1.f;
    powers.factors.push_back(std::ldexp(sign, next - exponent));
    exponent = next;
    float before = i ? powers.products.back() : 1;
    powers.products.push_back(
        std::ldexp(std::copysign(1.f, before) * sign, exponent));
  }
  return powers;
}

}  // namespace

TEST_CASE("exact products across any number of tiles") {
  for (size_t n : {1, 2, 100, 16383, 16384, 16385, 1000003}) {
    Powers powers = make_powers(n);
    auto size = static_cast<int64_t>(n);
    array a(powers.factors.data(), {size});
    CHECK(array_equal(cumprod(a), array(powers.products.data(), {size}))
              .item<bool>());
    // The same as columns: every line is one element followed by the row.
    array columns = transpose(broadcast_to(a, {3, size}));
    array expected = transpose(
        broadcast_to(array(powers.products.data(), {size}), {3, size}));
    CHECK(array_equal(cumprod(columns, 0), expected).item<bool>());
  }
}

TEST_CASE("reverse and exclusive") {
  array a{2, 3, 4};
  CHECK(array_equal(cumprod(a), array{2, 6, 24}).item<bool>());
  CHECK(array_equal(cumprod(a, true), array{24, 12, 4}).item<bool>());
  CHECK(array_equal(cumprod(a, false, false), array{1, 2, 6}).item<bool>());
  CHECK(array_equal(cumprod(a, 0, true, false), array{12, 4, 1}).item<bool>());
}

TEST_CASE("the see-saw stays finite and exits from the range are for good") {
  array seesaw{1e-30f, 1e30f, 1e30f, 1e-30f};
  CHECK(array_equal(cumprod(seesaw), array{1e-30f, 1.f, 1e30f, 1.f})
            .item<bool>());
  array over{1e30f, -1e30f, 1e-30f, 0.f, 1.f};
  array result = cumprod(over);
  const float* y = result.data<float>();
  CHECK(y[1] == -INFINITY);
  CHECK(y[2] == -INFINITY);
  CHECK(std::isnan(y[3]));
  CHECK(std::isnan(y[4]));
}

TEST_CASE("a far exit reaches all later tiles") {
  std::vector<float> values(1 << 18, 1.f);
  values[100000] = 1e-30f;
  values[100001] = -1e-30f;
  array result = cumprod(array(values.data(), {1 << 18}));
  const float* y = result.data<float>();
  CHECK(y[100000] == 1e-30f);
  CHECK(y[100001] == 0);
  CHECK(std::signbit(y[(1 << 18) - 1]));
  CHECK(y[(1 << 18) - 1] == 0);
}

TEST_CASE("the same bits every run") {
  std::vector<float> values(3 << 18);
  std::mt19937 random(1);
  std::normal_distribution<float> near(1, 1e-3f);
  for (float& x : values) x = near(random);
  for (Shape shape : {Shape{3 << 18}, Shape{3 << 14, 16}, Shape{16, 3 << 14}}) {
    array a(values.data(), shape);
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
      array first = cumprod(a, axis);
      for (int repeat = 0; repeat < 5; ++repeat) {
        array again = cumprod(a, axis);
        CHECK(std::memcmp(first.raw_data(), again.raw_data(), first.nbytes()) ==
              0);
      }
    }
  }
}

TEST_CASE("empty and 0-d") {
  CHECK(cumprod(array(3.f)).shape() == Shape{1});
  CHECK_THROWS_AS(cumprod(array(3.f), 0), std::out_of_range);
  CHECK(cumprod(zeros({0, 3}), 1).shape() == Shape{0, 3});
  CHECK(cumprod(zeros({3, 0}), 0).shape() == Shape{3, 0});
  CHECK(cumprod(zeros({0, 3})).shape() == Shape{0});
}

TEST_CASE("dtypes of results") {
  CHECK(cumsum(ones({2}, bool_)).dtype() == int32);
  CHECK(cumprod(ones({2}, bool_)).dtype() == bool_);
  CHECK(logcumsumexp(ones({2}, int8)).dtype() == float32);
  CHECK(cummax(ones({2}, uint16)).dtype() == uint16);
}

// A single line needs more memory than one of many.
TEST_CASE("long lines of which one is left over behind whole panels") {
  constexpr int64_t outer = 8, length = 4'000, inner = 129;
  array a = cumprod(full({outer, length, inner}, array(-1.), float64), 1);
  const double* y = a.data<double>();
  for (int64_t at = 0; at < outer * length; ++at) {
    for (int64_t line : {int64_t{0}, inner - 1}) {
      REQUIRE(y[at * inner + line] == (at % length % 2 ? 1 : -1));
    }
  }
}

namespace {

// A scan of a row that is repeated along an axis, next to one of a copy of it.
template <class Scan>
void check_repeats(const Scan& scan, const array& row, const Shape& shape) {
  array repeated = broadcast_to(row, shape);
  for (int axis = 0; axis < repeated.ndim(); ++axis) {
    for (bool reverse : {false, true}) {
      CHECK(array_equal(scan(repeated, axis, reverse),
                        scan(copy(repeated), axis, reverse), true)
                .template item<bool>());
    }
  }
}

}  // namespace

TEST_CASE("axes of stride 0, in several tiles") {
  for (Dtype dtype :
       {bool_, uint8, int32, float16, float32, float64, complex64}) {
    array row = astype(arange(1, 1040, 1, int32), dtype);
    array column = reshape(slice(row, {0}, {1}, {17}), {17, 1});
    auto check = [&](auto scan) {
      check_repeats(scan, row, {200, 1039});
      check_repeats(scan, column, {17, 1300});
      check_repeats(scan, reshape(row, {1039, 1}), {2, 1039, 40});
      check_repeats(scan, slice(row, {3}, {1}, {1}), {70000});
    };
    check([](const array& a, int axis, bool r) { return cumprod(a, axis, r); });
    check([](const array& a, int axis, bool r) { return cumsum(a, axis, r); });
    check([](const array& a, int axis, bool r) { return cummax(a, axis, r); });
  }
}

TEST_CASE("any byte of bool_ but 0 is true") {
  const uint8_t bytes[] = {2, 255, 0, 1};
  array a = array::adopt(bytes, {4}, {1}, bool_, [] {});
  CHECK(array_equal(cumsum(a), array{1, 2, 2, 3}).item<bool>());
  CHECK(array_equal(cumprod(a), array{true, true, false, false}).item<bool>());
  CHECK(
      array_equal(cummax(a, true), array{true, true, true, true}).item<bool>());
  CHECK(array_equal(a, array{true, true, false, true}).item<bool>());
  CHECK(array_equal(astype(a, int8), array{1, 1, 0, 1}).item<bool>());
  CHECK(slice(a, {1}, {1}, {1}).item<bool>());
  array extremes = cummin(a);
  CHECK(static_cast<const uint8_t*>(extremes.raw_data())[1] == 1);
}

TEST_CASE("of equal zeros the first one is the maximum") {
  std::vector<float> values(5000, -1.f);
  values[1] = -0.f;
  values[16] = 0.f;
  array row(values.data(), {5000});
  array column = transpose(broadcast_to(row, {1, 5000}));
  for (const array& y : {cummax(row), cummax(column, 0)}) {
    array last = slice(flatten(y), {4999}, {1}, {1});
    CHECK(last.item<float>() == 0);
    CHECK(std::signbit(last.item<float>()));
  }
}
