// cumprod_frexp: products that cannot leave the range.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "expect.h"

using namespace upsweep;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
bool holds_pair(const std::pair<array, array>& result,
                std::initializer_list<T> mantissas,
                std::initializer_list<int> exponents,
                std::optional<Shape> shape = {}) {
  if (!shape) shape = Shape{static_cast<int64_t>(mantissas.size())};
  return holds(result.first, mantissas, *shape) &&
         holds(result.second, exponents, *shape);
}

}  // namespace

TEST_CASE("cumprod_frexp: directions, axes and dtypes") {
  on_every_device([] {
    array a{2.f, 4.f, 8.f};
    std::initializer_list<float> half{.5f, .5f, .5f};
    CHECK(holds_pair(cumprod_frexp(a), half, {2, 4, 7}));
    CHECK(holds_pair(cumprod_frexp(a, 0, {.reverse = true}), half, {7, 6, 4}));
    CHECK(
        holds_pair(cumprod_frexp(a, 0, {.inclusive = false}), half, {1, 2, 4}));
    CHECK(holds_pair(cumprod_frexp(a, 0, {.reverse = true, .inclusive = false}),
                     half, {6, 4, 1}));
    array table = reshape(array{3, 5, 7, -9}, {2, 2});
    CHECK(holds_pair(cumprod_frexp(table, 1), {.75f, .9375f, .875f, -.984375f},
                     {2, 4, 3, 6}, Shape{2, 2}));
    CHECK(holds_pair(cumprod_frexp(transpose(table), -2),
                     {.75f, .875f, .9375f, -.984375f}, {2, 3, 4, 6},
                     Shape{2, 2}));
    CHECK(holds_pair(cumprod_frexp(reshape(array{true, true}, {1, 2})),
                     {.5f, .5f}, {1, 1}));
    auto [mantissa, exponent] = cumprod_frexp(astype(array{65504.f}, float16));
    CHECK(mantissa.dtype() == float16);
    CHECK(holds(astype(mantissa, float32), {2047 / 2048.f}));
    CHECK(holds(exponent, {16}));
    CHECK(holds_pair(cumprod_frexp(zeros({2, 0}), 1),
                     std::initializer_list<float>{}, {}, Shape{2, 0}));
    CHECK(holds_pair(cumprod_frexp(array(3.f)), {.75f}, {2}));
  });
}

TEST_CASE("cumprod_frexp: beyond the range, and special values") {
  on_every_device([] {
    CHECK(holds_pair(cumprod_frexp(array{0x1p100f, 0x1p100f, -0x1p-149f}),
                     {.5f, .5f, -.5f}, {101, 201, 52}));
    CHECK(holds_pair(cumprod_frexp(array{0x1p100f, 0x1p100f, -0.f, -2.f}),
                     {.5f, .5f, -0.f, 0.f}, {101, 201, 0, 0}));
    CHECK(holds_pair(cumprod_frexp(array{2.f, -kInf, -1.f, 0.f}),
                     {.5f, -kInf, kInf, kNan}, {2, 0, 0, 0}));
    // (1 + 2^-23) (1 - 2^-24)² is 2^-46 below 1, to which it rounds.
    array near_one{1 + 0x1p-23f, 1 - 0x1p-24f, 1 - 0x1p-24f};
    auto [mantissa, exponent] = cumprod_frexp(near_one);
    CHECK(mantissa.data<float>()[2] == .5f);
    CHECK(exponent.data<int>()[2] == 1);
  });
  // Beyond 2^30, exponents stay there.
  constexpr int64_t n = 1'100'000;
  for (int step : {1000, -1000}) {
    auto [mantissa, exponent] =
        cumprod_frexp(broadcast_to(array(std::ldexp(-1., step)), {n}));
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; ++i) {
      int64_t expected = step * (i + 1) + 1;
      expected = std::clamp<int64_t>(expected, -(1 << 30), 1 << 30);
      wrong += exponent.data<int>()[i] != expected;
      wrong += mantissa.data<double>()[i] != (i % 2 ? .5 : -.5);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("cumprod_frexp: initial values") {
  on_every_device([] {
    array a{2.f, 4.f};
    CHECK(holds_pair(cumprod_frexp(a, 0, {.initial = array(-3)}),
                     {-.75f, -.75f}, {3, 5}));
    CHECK(holds_pair(
        cumprod_frexp(a, 0, {.inclusive = false, .initial = array(0x1p-149f)}),
        {.5f, .5f}, {-148, -147}));
    array table = reshape(array{1.f, 2.f, 3.f, 4.f}, {2, 2});
    CHECK(holds_pair(cumprod_frexp(table, 1, {.initial = array{2.f, -1.f}}),
                     {.5f, .5f, -.75f, -.75f}, {2, 3, 2, 4}, Shape{2, 2}));
    CHECK(holds_pair(
        cumprod_frexp(table, 1, {.reverse = true, .initial = array{2.f, 0.f}}),
        {.5f, .5f, 0.f, 0.f}, {3, 3, 0, 0}, Shape{2, 2}));
    // Of a carry the total counts, also where a scan has left the range.
    Carry big = carry(array{0x1p100f}, Op::prod);
    CHECK(holds_pair(cumprod_frexp(a, 0, {.initial = big}), {.5f, .5f},
                     {102, 104}));
    Carry over = carry(array{0x1p100f, 0x1p100f}, Op::prod);
    CHECK(holds_pair(cumprod_frexp(a, 0, {.initial = over}), {.5f, .5f},
                     {202, 204}));
    // Whether it is decided is of no account.
    Carry undecided = big.then(big);
    CHECK_FALSE(undecided.is_decided());
    CHECK(holds_pair(cumprod_frexp(a, 0, {.initial = undecided}), {.5f, .5f},
                     {202, 204}));
  });
}

TEST_CASE("cumprod_frexp: errors name the argument") {
  on_every_device([] {
    array a = ones({2, 3});
    auto wrong = [&](const FrexpOptions& options) {
      return fails<std::invalid_argument>(
          "cumprod_frexp", "initial", [&] { cumprod_frexp(a, 0, options); });
    };
    CHECK(wrong({.initial = ones({2})}));
    CHECK(wrong({.initial = carry(a, Op::sum, 0)}));
    CHECK(wrong({.initial = carry(a, Op::prod, 1)}));
    CHECK(wrong({.initial = carry(astype(a, float16), Op::prod, 0)}));
    CHECK(wrong({.initial = carry(a, Op::prod, 0, {.reverse = true})}));
    CHECK(fails<TypeError>("cumprod_frexp", "initial", [&] {
      cumprod_frexp(a, 0, {.initial = ones({}, complex64)});
    }));
    CHECK(fails<TypeError>("cumprod_frexp", "complex64",
                           [] { cumprod_frexp(ones({2}, complex64)); }));
    CHECK(fails<std::out_of_range>("cumprod_frexp", "Axis",
                                   [&] { cumprod_frexp(a, -3); }));
    Stream stream = to_stream({});
    stream.index = 1 << 20;
    CHECK(fails<std::invalid_argument>("cumprod_frexp", "stream", [&] {
      cumprod_frexp(a, 0, {.stream = stream});
    }));
  });
}
