// The linear recurrence through the public function: order, options, special
// values, and bits that do not depend on the number of threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "upsweep/upsweep.h"

using namespace upsweep;

TEST_CASE("a recurrence, forward, reverse and exclusive") {
  array a{2.f, 3.f, 4.f}, b{1.f, 1.f, 2.f};
  CHECK(
      array_equal(linear_recurrence(a, b), array{1.f, 4.f, 18.f}).item<bool>());
  CHECK(array_equal(linear_recurrence(a, b, 0, {.reverse = true}),
                    array{15.f, 7.f, 2.f})
            .item<bool>());
  CHECK(array_equal(linear_recurrence(a, b, 0, {.inclusive = false}),
                    array{0.f, 1.f, 4.f})
            .item<bool>());
}

TEST_CASE("an initial value and resets") {
  array a{2.f, INFINITY, 4.f}, b{1.f, 1.f, 2.f};
  array reset{false, true, false};
  array initial(10.f);
  CHECK(array_equal(
            linear_recurrence(a, b, 0, {.initial = initial, .reset = reset}),
            array{21.f, 1.f, 6.f})
            .item<bool>());
  CHECK(
      array_equal(linear_recurrence(
                      a, b, 0,
                      {.inclusive = false, .initial = initial, .reset = reset}),
                  array{10.f, 0.f, 1.f})
          .item<bool>());
}

TEST_CASE("integers in one and in many tiles: the sums of cumsum") {
  for (int64_t n : {1, 15, 1000, 4096, 70001, 1000003}) {
    array b = astype(arange(0, n, 1, int64), float64);
    array sums = cumsum(b);
    CHECK(array_equal(linear_recurrence(array(1.), b), sums).item<bool>());
    array columns = transpose(broadcast_to(b, {3, n}));
    array expected = transpose(broadcast_to(sums, {3, n}));
    CHECK(array_equal(linear_recurrence(array(1.), columns, 0), expected)
              .item<bool>());
  }
}

TEST_CASE("numbers far outside the range of double come back") {
  for (auto [big, exponent] : {std::pair{0x1p120f, 40}, {0x1p-120f, 40}}) {
    std::vector<float> a(2 * static_cast<size_t>(exponent) * 100);
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = i / static_cast<size_t>(exponent) % 2 ? 1 / big : big;
    }
    auto n = static_cast<int64_t>(a.size());
    array h = linear_recurrence(array(a.data(), {n}), zeros({n}), 0,
                                {.initial = array(3.f)});
    CHECK(h.data<float>()[n - 1] == 3);
    CHECK(h.data<float>()[exponent - 1] == (big > 1 ? INFINITY : 0));
    for (int64_t i = 0; i < n; ++i) REQUIRE(!std::isnan(h.data<float>()[i]));
  }
}

TEST_CASE("errors name the argument") {
  array a = ones({2, 3});
  CHECK_THROWS_AS(linear_recurrence(a, ones({2, 3}, float64)), TypeError);
  CHECK_THROWS_AS(linear_recurrence(a, ones({2, 4})), std::invalid_argument);
  CHECK_THROWS_AS(linear_recurrence(a, a, 2), std::out_of_range);
  CHECK_THROWS_AS(linear_recurrence(array(1.f), array(1.f)),
                  std::invalid_argument);
  CHECK_THROWS_AS(linear_recurrence(a, a, 0, {.initial = ones({2})}),
                  std::invalid_argument);
  CHECK_THROWS_AS(linear_recurrence(a, a, 0, {.reset = ones({3}, bool_)}),
                  std::invalid_argument);
  CHECK_THROWS_AS(linear_recurrence(a, a, 0, {.reset = a}), TypeError);
  CHECK(linear_recurrence(ones({2, 3}, int32), ones({3}, bool_)).dtype() ==
        float32);
  CHECK(linear_recurrence(ones({0, 3}), ones({1, 3})).shape() == Shape{0, 3});
}
