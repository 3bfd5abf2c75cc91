// Arrays, views, copies and comparison.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "array_access.h"
#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

array counting(Shape shape) {
  std::vector<int32_t> values(1);
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  values.resize(static_cast<size_t>(size));
  std::iota(values.begin(), values.end(), 0);
  return array(values.data(), std::move(shape));
}

std::vector<int32_t> values(const array& a) {
  array flat = contiguous(a);
  const int32_t* data = flat.data<int32_t>();
  return {data, data + flat.size()};
}

}  // namespace

TEST_CASE("views share storage") {
  array a = counting({2, 3, 4});
  array t = transpose(a);
  CHECK(t.shape() == Shape{4, 3, 2});
  CHECK(storage_of(t) == storage_of(a));
  CHECK(values(swapaxes(a, 0, -1)) == values(t));
  CHECK(moveaxis(a, 0, 2).shape() == Shape{3, 4, 2});
  CHECK(expand_dims(a, {0, -1}).shape() == Shape{1, 2, 3, 4, 1});
  CHECK(squeeze(expand_dims(a, {0, 2})).shape() == a.shape());
  array s = slice(a, {1, 2, 3}, {-1, -2, -1}, {2, 2, 4});
  CHECK(values(s) == std::vector<int32_t>{23, 22, 21, 20, 15, 14, 13, 12, 11,
                                          10, 9, 8, 3, 2, 1, 0});
  CHECK(storage_of(s) == storage_of(a));
  CHECK(broadcast_to(counting({3, 1}), {2, 3, 2}).strides() ==
        Strides{0, 1, 0});
}

TEST_CASE("reshape is a view where strides allow it") {
  array a = counting({4, 6});
  CHECK(storage_of(reshape(a, {2, -1, 3})) == storage_of(a));
  CHECK(values(reshape(transpose(a), {24})) == values(transpose(a)));
  CHECK(storage_of(reshape(transpose(a), {3, 2, 2, 2})) == storage_of(a));
  array every_other = slice(a, {0, 0}, {1, 2}, {4, 3});
  CHECK(storage_of(flatten(every_other)) == storage_of(a));  // one step of 2
  CHECK(flatten(array(3)).shape() == Shape{1});
  CHECK(reshape(counting({0, 3}), {3, 0, 5}).size() == 0);
  CHECK_THROWS_WITH_AS(
      reshape(a, {5, 5}),
      "[reshape] Cannot reshape array of size 24 into shape (5,5).",
      std::invalid_argument);
  CHECK_THROWS_AS(reshape(a, {0, -1}), std::invalid_argument);
}

TEST_CASE("errors name the operation and the axis") {
  array a = counting({2, 3});
  CHECK_THROWS_WITH_AS(
      cumprod(a, 2),
      "[cumprod] Axis 2 is out of bounds for array with 2 dimensions.",
      std::out_of_range);
  CHECK_THROWS_AS(transpose(a, {0, 0}), std::invalid_argument);
  CHECK_THROWS_AS(squeeze(a, {0}), std::invalid_argument);
  CHECK_THROWS_AS(expand_dims(a, {0, 0}), std::invalid_argument);
  CHECK_THROWS_AS(broadcast_to(a, {3, 2}), std::invalid_argument);
  CHECK_THROWS_AS(zeros({-1}), std::invalid_argument);
  CHECK_THROWS_AS(zeros({int64_t{1} << 60, 1 << 20}), OutOfMemory);
  CHECK_THROWS_AS(zeros({int64_t{1} << 50}), OutOfMemory);
  CHECK_THROWS_AS(a.data<float>(), upsweep::TypeError);
  CHECK_THROWS_AS(a.item<int32_t>(), std::invalid_argument);
  CHECK_THROWS_AS(arange(0, 1, 0, float32), std::invalid_argument);
}

TEST_CASE("astype converts, saturating where C++ would be undefined") {
  array a{-1.5, 1e300, 0.0, 3.7};
  CHECK(values(astype(a, int32)) == std::vector<int32_t>{-1, INT32_MAX, 0, 3});
  CHECK(astype(a, bool_).data<bool>()[0]);
  CHECK_FALSE(astype(a, bool_).data<bool>()[2]);
  CHECK(storage_of(astype(a, float64)) == storage_of(a));
  CHECK(storage_of(copy(a)) != storage_of(a));
  CHECK(astype(array{-1}, uint8).item<uint8_t>() == 255);
}

TEST_CASE("comparison is exact across dtypes") {
  CHECK_FALSE(
      array_equal(array(int64_t{1} << 53 | 1), array(0x1p53)).item<bool>());
  CHECK(array_equal(array(UINT64_MAX), array(UINT64_MAX)).item<bool>());
  CHECK_FALSE(array_equal(array(UINT64_MAX), array(0x1p64)).item<bool>());
  CHECK_FALSE(array_equal(array(int64_t{-1}), array(UINT64_MAX)).item<bool>());
  CHECK(array_equal(array(-3), array(-3.0f)).item<bool>());
  CHECK(array_equal(counting({3}), counting({4})).item<bool>() == false);
  array eq = equal(counting({3, 1}), counting({3}));
  CHECK(eq.shape() == Shape{3, 3});
  CHECK(eq.data<bool>()[4]);
  CHECK_FALSE(eq.data<bool>()[1]);
  array nan{NAN};
  CHECK_FALSE(array_equal(nan, nan).item<bool>());
  CHECK(array_equal(nan, nan, true).item<bool>());
  CHECK(
      allclose(array{1.0, HUGE_VAL}, array{1.0 + 1e-7, HUGE_VAL}).item<bool>());
  CHECK_FALSE(allclose(array{1.0}, array{HUGE_VAL}).item<bool>());
  CHECK_FALSE(allclose(array{1.0}, array{1.1}).item<bool>());
}

TEST_CASE("a slice has only elements that the array has") {
  array a = counting({2, 3});
  CHECK_THROWS_WITH_AS(
      slice(a, {0}, {1}, {2}),
      "[slice] Invalid number of indices or strides for array with dimension "
      "2.",
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(slice(a, {0, 0}, {1, 1}, {2, -1}),
                       "[slice] Negative dimensions not allowed.",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      slice(a, {0, 1}, {1, 2}, {2, 2}),
      "[slice] 2 elements from index 1 in steps of 2 are out of bounds for "
      "axis 1 with size 3.",
      std::out_of_range);
  CHECK_THROWS_AS(slice(a, {2, 0}, {1, 1}, {1, 1}), std::out_of_range);
  CHECK_THROWS_AS(slice(a, {-1, 0}, {1, 1}, {1, 1}), std::out_of_range);
  CHECK_THROWS_AS(slice(a, {1, 0}, {-1, 1}, {3, 1}), std::out_of_range);
  CHECK_THROWS_AS(slice(a, {1, 1}, {INT64_MAX, 1}, {2, 1}), std::out_of_range);
  CHECK_THROWS_AS(slice(a, {1, 1}, {INT64_MIN, 1}, {2, 1}), std::out_of_range);
  // A single element needs no step, and no elements need no address.
  CHECK(values(slice(a, {1, 2}, {INT64_MAX, 9}, {1, 1})) == std::vector{5});
  CHECK(slice(a, {7, 0}, {1, 1}, {0, 3}).shape() == Shape{0, 3});
}

TEST_CASE("large copies and comparisons look at every element") {
  // More than one thread claims at a time, in both orders of the axes.
  constexpr int64_t kRows = 700, kColumns = 900;
  array a = counting({kRows, kColumns});
  array wide = astype(a, float64);
  array column_major = transpose(copy(transpose(a)));
  CHECK(column_major.strides() == Strides{1, kRows});
  CHECK(array_equal(a, column_major).item<bool>());
  CHECK(values(column_major) == values(a));
  CHECK(array_equal(arange(0, kRows * kColumns, 1, int32), flatten(a))
            .item<bool>());
  for (int64_t at : {int64_t{0}, kRows * kColumns / 3, kRows * kColumns - 1}) {
    std::vector<double> changed(wide.data<double>(),
                                wide.data<double>() + wide.size());
    changed[static_cast<size_t>(at)] += 0.5;
    array b(changed.data(), {kRows, kColumns});
    CHECK_FALSE(array_equal(column_major, b).item<bool>());
    CHECK_FALSE(allclose(b, column_major, 0, 0.25).item<bool>());
    CHECK(allclose(b, column_major, 0, 0.5).item<bool>());
    std::vector<char> one(static_cast<size_t>(b.size()), 0);
    one[static_cast<size_t>(at)] = 1;
    CHECK(std::memcmp(not_equal(column_major, b).raw_data(), one.data(),
                      one.size()) == 0);
    for (char& flag : one) flag = !flag;
    CHECK(std::memcmp(equal(column_major, b).raw_data(), one.data(),
                      one.size()) == 0);
  }
}

TEST_CASE("what cannot be adopted is not taken") {
  float memory[6] = {};
  int released = 0;
  auto adopt = [&](Shape shape, Strides strides) {
    return array::adopt(memory, std::move(shape), std::move(strides), float32,
                        [&] { ++released; });
  };
  CHECK_THROWS_WITH_AS(
      adopt({2, 3}, {3}),
      "[array] Invalid number of strides for array with 2 dimensions: 1.",
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(adopt({2, -3}, {3, 1}),
                       "[array] Negative dimensions not allowed.",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      adopt({2, 3}, {INT64_MIN, 1}),
      "[array] Stride -9223372036854775808 for an axis of size 2 reaches "
      "further than can be addressed.",
      std::invalid_argument);
  CHECK_THROWS_AS(adopt({2, 3}, {INT64_MAX / 4, INT64_MAX / 2}),
                  std::invalid_argument);
  CHECK_THROWS_AS(adopt(Shape(65, 1), Strides(65, 1)), std::invalid_argument);
  CHECK_THROWS_AS(adopt({int64_t{1} << 40, 1 << 30}, {0, 0}), OutOfMemory);
  CHECK_THROWS_AS(counting({3}).as_strided({3}, {}, 0), std::invalid_argument);
  CHECK(released == 0);
  // Strides of an empty array mean nothing.
  CHECK(adopt({0, 3}, {INT64_MAX, INT64_MAX}).size() == 0);
  CHECK(released == 1);
}

TEST_CASE("adopted memory is released once, after the last view") {
  std::vector<float> memory{1, 2, 3, 4, 5, 6};
  int released = 0;
  {
    // The elements 6, 4, 2.
    array a = array::adopt(&memory[5], {3}, {-2}, float32, [&] { ++released; });
    CHECK(a.data<float>() == &memory[5]);
    array back = slice(a, {2}, {-1}, {3});
    a = array(1);
    CHECK(released == 0);
    CHECK(array_equal(back, array{2.f, 4.f, 6.f}).item<bool>());
    CHECK(cumprod(back).data<float>()[2] == 48);
  }
  synchronize();
  CHECK(released == 1);
}

TEST_CASE("the bytes of an array as another dtype") {
  array ones({1.f, 1.f, 1.f, 1.f});
  array bits = ones.reinterpret({2, 2}, uint32);
  CHECK(storage_of(bits) == storage_of(ones));
  CHECK(bits.data<uint32_t>()[3] == 0x3f800000);
  array last = slice(ones, {2}, {1}, {2}).reinterpret({}, uint64);
  CHECK(last.item<uint64_t>() == 0x3f8000003f800000);
  CHECK_THROWS_AS(ones.reinterpret({3}, float32), std::invalid_argument);
  CHECK_THROWS_AS(slice(ones, {1}, {1}, {2}).reinterpret({1}, uint64),
                  std::invalid_argument);
  CHECK_THROWS_AS(slice(ones, {0}, {2}, {2}).reinterpret({2}, int32),
                  std::invalid_argument);
}
