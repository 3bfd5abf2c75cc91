// The linear recurrence through the public function: order, options, special
// values, and bits that do not depend on the number of threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "expect.h"

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

TEST_CASE("lines of another axis, each with its own initial value") {
  on_every_device([] {
    array a{2.f, 3.f}, b = reshape(array{1.f, 1.f, 1.f, 2.f}, {2, 2});
    array initial{1.f, -1.f};
    // From 1: 3 and 7; from -1: -2 and -4.
    CHECK(holds(linear_recurrence(a, b, 0, {.initial = initial}),
                {3.f, -2.f, 7.f, -4.f}, {2, 2}));
    CHECK(holds(linear_recurrence(a, b, -1, {.initial = initial}),
                {3.f, 10.f, -1.f, -1.f}, {2, 2}));
    array reset = reshape(array{false, false, true, false}, {2, 2});
    CHECK(holds(
        linear_recurrence(
            a, b, 0, {.reverse = true, .initial = initial, .reset = reset}),
        {3.f, -2.f, 1.f, -1.f}, {2, 2}));
    CHECK(holds(linear_recurrence(array{2, 3}, array{true, true}), {1.f, 4.f}));
    array i{complex64_t(0, 1), complex64_t(0, 1)};
    CHECK(holds(linear_recurrence(i, i),
                {complex64_t(0, 1), complex64_t(-1, 1)}));
  });
}

TEST_CASE("linear_recurrence: errors name the argument") {
  on_every_device([] {
    array a = ones({2, 3});
    auto wrong = [&](const char* argument, const array& b,
                     const RecurrenceOptions& options) {
      return fails<std::invalid_argument>("linear_recurrence", argument, [&] {
        linear_recurrence(a, b, 0, options);
      });
    };
    auto wrong_type = [&](const char* argument, const array& b,
                          const RecurrenceOptions& options) {
      return fails<TypeError>("linear_recurrence", argument,
                              [&] { linear_recurrence(a, b, 0, options); });
    };
    CHECK(wrong_type("b is", ones({2, 3}, int32), {}));
    CHECK(wrong_type("float16", ones({2, 3}, float16), {}));
    CHECK(wrong_type("initial", a, {.initial = ones({}, complex64)}));
    CHECK(wrong_type("reset", a, {.reset = a}));
    CHECK(wrong("b of shape", ones({2, 4}), {}));
    CHECK(wrong("initial", a, {.initial = ones({2})}));
    CHECK(wrong("reset", a, {.reset = ones({3}, bool_)}));
    CHECK(fails<std::out_of_range>("linear_recurrence", "Axis",
                                   [&] { linear_recurrence(a, a, 2); }));
    CHECK(fails<std::invalid_argument>("linear_recurrence", "a and b", [] {
      linear_recurrence(array(1.f), array(1.f));
    }));
    CHECK(linear_recurrence(ones({0, 3}), ones({1, 3})).shape() == Shape{0, 3});
  });
}

TEST_CASE("both gradients of a recurrence") {
  array a{2.f, 3.f, 5.f}, b{1.f, 1.f, 1.f}, c{1.f, 10.f, 100.f};
  // h is 1, 4, 21; l is 1531, 510, 100.
  array both = linear_recurrence_vjp(a, b, c);
  CHECK(both.shape() == Shape{2, 3});
  CHECK(array_equal(reshape(both, {6}),
                    array{0.f, 510.f, 400.f, 1531.f, 510.f, 100.f})
            .item<bool>());
  // h before the elements is 4, 1, 0; l is 0, 1, 13.
  both = linear_recurrence_vjp(a, b, c, 0, true, false);
  CHECK(array_equal(reshape(both, {6}), array{0.f, 1.f, 0.f, 0.f, 1.f, 13.f})
            .item<bool>());
  CHECK_THROWS_AS(linear_recurrence_vjp(a, array{1.f}, c),
                  std::invalid_argument);
  CHECK_THROWS_AS(linear_recurrence_vjp(a, b, array{1.0, 1.0, 1.0}), TypeError);
  CHECK_THROWS_AS(linear_recurrence_vjp(a, b, c, 1), std::out_of_range);
}
