// scan, with its options alone and together, and the cumulative functions of
// the array API standard.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "expect.h"

using namespace upsweep;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

array sum_of(const array& a, const ScanOptions& options = {}) {
  return scan(a, Op::sum, {}, options);
}

}  // namespace

TEST_CASE("scan: every operator, in all directions") {
  on_every_device([] {
    array a{3, 1, 2};
    CHECK(holds(scan(a, Op::sum), {3, 4, 6}));
    CHECK(holds(scan(a, Op::prod), {3, 3, 6}));
    CHECK(holds(scan(a, Op::max), {3, 3, 3}));
    CHECK(holds(scan(a, Op::min), {3, 1, 1}));
    CHECK(holds(sum_of(a, {.reverse = true}), {6, 3, 2}));
    CHECK(holds(sum_of(a, {.inclusive = false}), {0, 3, 4}));
    CHECK(holds(sum_of(a, {.reverse = true, .inclusive = false}), {3, 2, 0}));
    CHECK(holds(scan(a, Op::max, 0, {.inclusive = false}),
                {std::numeric_limits<int>::min(), 3, 3}));
    array halves = scan(zeros({2}), Op::logaddexp);
    CHECK(halves.data<float>()[0] == 0);
    CHECK(std::abs(halves.data<float>()[1] - std::log(2.)) <= 0x1p-21);
  });
}

TEST_CASE("scan: axes") {
  on_every_device([] {
    array a = reshape(array{1, 2, 3, 4, 5, 6}, {2, 3});
    CHECK(holds(scan(a, Op::sum, 0), {1, 2, 3, 5, 7, 9}, {2, 3}));
    CHECK(holds(scan(a, Op::sum, 1), {1, 3, 6, 4, 9, 15}, {2, 3}));
    CHECK(holds(scan(a, Op::sum, -2), {1, 2, 3, 5, 7, 9}, {2, 3}));
    CHECK(holds(scan(a, Op::sum), {1, 3, 6, 10, 15, 21}));
    CHECK(holds(scan(transpose(a), Op::sum, 0), {1, 4, 3, 9, 6, 15}, {3, 2}));
    CHECK(holds(scan(array(5), Op::sum), {5}));
  });
}

TEST_CASE("scan: an initial value is an element before the first") {
  on_every_device([] {
    array a{3, 1, 2}, ten(10);
    CHECK(holds(sum_of(a, {.initial = ten}), {13, 14, 16}));
    CHECK(holds(sum_of(a, {.reverse = true, .initial = ten}), {16, 13, 12}));
    CHECK(holds(sum_of(a, {.inclusive = false, .initial = ten}), {10, 13, 14}));
    CHECK(
        holds(sum_of(a, {.reverse = true, .inclusive = false, .initial = ten}),
              {13, 12, 10}));
    CHECK(holds(scan(a, Op::max, 0, {.initial = array(2)}), {3, 3, 3}));
    CHECK(holds(scan(a, Op::min, 0, {.initial = array(2)}), {2, 1, 1}));

    array table = reshape(array{1, 2, 3, 4, 5, 6}, {2, 3});
    CHECK(holds(scan(table, Op::sum, 1, {.initial = array{10, 100}}),
                {11, 13, 16, 104, 109, 115}, {2, 3}));
    CHECK(holds(scan(table, Op::sum, 0, {.initial = array{10, 20, 30}}),
                {11, 22, 33, 15, 27, 39}, {2, 3}));
    // Of any strides, and of another dtype.
    array backwards =
        slice(array{int8_t{30}, int8_t{0}, int8_t{10}}, {2}, {-2}, {2});
    CHECK(holds(scan(table, Op::sum, 1, {.initial = backwards}),
                {11, 13, 16, 34, 39, 45}, {2, 3}));
    CHECK(holds(sum_of(array{.5f}, {.initial = array(true)}), {1.5f}));
  });
}

TEST_CASE("scan: special initial values") {
  on_every_device([] {
    auto product = [](const array& a, float initial) {
      return scan(a, Op::prod, 0, {.initial = array(initial)});
    };
    CHECK(holds(product({2.f, 3.f}, -0.f), {-0.f, -0.f}));
    CHECK(holds(product({2.f, -3.f, 0.f}, kInf), {kInf, -kInf, kNan}));
    CHECK(holds(product({2.f, 2.f}, 0x1p-149f), {0x1p-148f, 0x1p-147f}));
    CHECK(holds(product({0x1p100f, 0x1p-100f}, 0x1p100f), {kInf, kInf}));
    CHECK(holds(product({0x1p-100f, 0x1p100f}, 0x1p100f), {1.f, 0x1p100f}));
    CHECK(
        holds(scan(array{1.f}, Op::max, 0, {.initial = array(kNan)}), {kNan}));
    CHECK(holds(scan(array{1.f}, Op::sum, 0, {.initial = array(-kInf)}),
                {-kInf}));
    CHECK(holds(scan(array{-kInf}, Op::sum, 0, {.initial = array(kInf)}),
                {kNan}));
  });
}

TEST_CASE("scan: include_initial") {
  on_every_device([] {
    array a{3, 1, 2}, ten(10);
    CHECK(holds(sum_of(a, {.include_initial = true}), {0, 3, 4, 6}));
    CHECK(holds(sum_of(a, {.initial = ten, .include_initial = true}),
                {10, 13, 14, 16}));
    CHECK(holds(
        sum_of(a, {.reverse = true, .initial = ten, .include_initial = true}),
        {16, 13, 12, 10}));
    array table = reshape(array{1, 2, 3, 4}, {2, 2});
    CHECK(holds(scan(table, Op::prod, 0, {.include_initial = true}),
                {1, 1, 1, 2, 3, 8}, {3, 2}));
    // No elements.
    CHECK(holds(scan(zeros({2, 0}, int32), Op::sum, 1,
                     {.initial = array{3, 4}, .include_initial = true}),
                {3, 4}, {2, 1}));
    CHECK(scan(zeros({0, 3}), Op::sum, 1, {.include_initial = true}).shape() ==
          Shape{0, 4});
  });
}

TEST_CASE("scan: a mask of resets") {
  on_every_device([] {
    array a{3, 1, 2}, ten(10);
    array third{false, false, true}, second{false, true, false};
    CHECK(holds(sum_of(a, {.reset = third}), {3, 4, 2}));
    CHECK(holds(sum_of(a, {.inclusive = false, .reset = third}), {0, 3, 0}));
    CHECK(holds(sum_of(a, {.reverse = true, .reset = second}), {4, 1, 2}));
    CHECK(holds(sum_of(a, {.initial = ten, .reset = third}), {13, 14, 2}));
    CHECK(holds(sum_of(a, {.reverse = true, .initial = ten, .reset = second}),
                {4, 1, 12}));
    CHECK(holds(sum_of(a, {.initial = ten, .reset = array{true, false, false}}),
                {3, 4, 6}));
    CHECK(holds(sum_of(a, {.initial = ten,
                           .reset = array{true, false, true},
                           .include_initial = true}),
                {10, 3, 4, 2}));
    CHECK(holds(sum_of(a, {.reverse = true,
                           .initial = ten,
                           .reset = second,
                           .include_initial = true}),
                {4, 1, 12, 10}));
    // A segment is live again.
    CHECK(holds(scan(array{1e30f, 1e30f, 2.f, 3.f}, Op::prod, 0,
                     {.reset = array{false, false, true, false}}),
                {1e30f, kInf, 2.f, 6.f}));
    CHECK(holds(scan(array{kNan, 1.f, 0.f}, Op::max, 0,
                     {.reset = array{false, true, false}}),
                {kNan, 1.f, 1.f}));

    array table = reshape(array{1, 2, 3, 4, 5, 6}, {2, 3});
    array mask = reshape(array{false, true, false, true, false, false}, {2, 3});
    CHECK(holds(scan(table, Op::sum, 0, {.reset = mask}), {1, 2, 3, 4, 7, 9},
                {2, 3}));
    CHECK(holds(scan(table, Op::sum, 1, {.reset = mask}), {1, 2, 5, 4, 9, 15},
                {2, 3}));
    CHECK(
        holds(scan(table, Op::sum, {}, {.reset = mask}), {1, 2, 5, 4, 9, 15}));
    CHECK(holds(scan(transpose(table), Op::sum, 1, {.reset = transpose(mask)}),
                {1, 4, 2, 7, 3, 9}, {3, 2}));
    // Any byte of a mask but 0 is true.
    const uint8_t bytes[] = {0, 0, 2};
    CHECK(
        holds(sum_of(a, {.reset = array::adopt(bytes, {3}, {1}, bool_, [] {})}),
              {3, 4, 2}));
  });
}

TEST_CASE("scan: offsets of segments") {
  on_every_device([] {
    array a{3, 1, 2}, ten(10);
    array offsets{int64_t{0}, int64_t{2}};
    CHECK(holds(sum_of(a, {.reset = offsets}), {3, 4, 2}));
    CHECK(holds(sum_of(a, {.initial = ten, .reset = offsets}), {3, 4, 2}));
    CHECK(holds(sum_of(a, {.initial = ten, .reset = array{uint8_t{2}}}),
                {13, 14, 2}));
    // Backwards, a segment starts at its last element.
    CHECK(holds(sum_of(a, {.reverse = true, .initial = ten, .reset = offsets}),
                {4, 1, 12}));
    CHECK(holds(
        sum_of(a, {.reverse = true, .initial = ten, .reset = array{0, 2, 3}}),
        {4, 1, 2}));
    // Empty segments, at the end too, and no segments.
    CHECK(holds(sum_of(a, {.reset = array{0, 0, 2, 2, 3, 3}}), {3, 4, 2}));
    CHECK(
        holds(sum_of(a, {.initial = ten, .reset = zeros({0})}), {13, 14, 16}));
    CHECK(holds(
        sum_of(a, {.initial = ten, .reset = offsets, .include_initial = true}),
        {10, 3, 4, 2}));
    CHECK(sum_of(zeros({0}), {.reset = array{0, 0}}).shape() == Shape{0});
    // Of any strides.
    CHECK(holds(sum_of(a, {.reset = slice(array{2, 1, 0}, {2}, {-2}, {2})}),
                {3, 4, 2}));
  });
}

TEST_CASE("scan: dtype") {
  on_every_device([] {
    array a{int8_t{100}, int8_t{100}};
    CHECK(holds(sum_of(a), {int8_t{100}, int8_t{-56}}));
    CHECK(holds(sum_of(a, {.dtype = int32}), {100, 200}));
    CHECK(holds(sum_of(a, {.initial = array(.5f), .dtype = float32}),
                {100.5f, 200.5f}));
    CHECK(holds(sum_of(array{true, true}), {1, 2}));
    CHECK(holds(sum_of(array{2.5f, 3.5f}, {.dtype = int32}), {2, 5}));
    array wide = astype(array{256.f, 256.f}, float16);
    CHECK(holds(scan(wide, Op::prod, 0, {.dtype = float32}), {256.f, 65536.f}));
    CHECK(std::isinf(
        static_cast<float>(scan(wide, Op::prod).data<float16_t>()[1])));
  });
}

TEST_CASE("scan: skipna") {
  on_every_device([] {
    array a{kNan, 2.f, kNan, 3.f};
    auto skipped = [&](Op op) { return scan(a, op, 0, {.skipna = true}); };
    CHECK(holds(skipped(Op::prod), {1.f, 2.f, 2.f, 6.f}));
    CHECK(holds(skipped(Op::sum), {0.f, 2.f, 2.f, 5.f}));
    CHECK(holds(skipped(Op::max), {-kInf, 2.f, 2.f, 3.f}));
    CHECK(holds(skipped(Op::min), {kInf, 2.f, 2.f, 2.f}));
    CHECK(skipped(Op::logaddexp).data<float>()[0] == -kInf);
    // A NaN that comes from the elements stays.
    CHECK(
        holds(scan(array{0.f, kInf, kNan, 1.f}, Op::prod, 0, {.skipna = true}),
              {0.f, kNan, kNan, kNan}));
    // An initial value is none of the elements.
    CHECK(holds(
        scan(array{1.f}, Op::sum, 0, {.initial = array(kNan), .skipna = true}),
        {kNan}));
    array complex{complex64_t(kNan, 1), complex64_t(2, 3),
                  complex64_t(1, kNan)};
    CHECK(holds(scan(complex, Op::sum, 0, {.skipna = true}),
                {complex64_t(0, 0), complex64_t(2, 3), complex64_t(2, 3)}));
    CHECK(holds(scan(array{1, 2}, Op::sum, 0, {.skipna = true}), {1, 3}));
  });
}

TEST_CASE("scan: all options together") {
  on_every_device([] {
    array a =
        astype(reshape(array{2.f, kNan, 3.f, 4.f, 5.f, 6.f, kNan, 7.f}, {2, 4}),
               float16);
    array reset = reshape(
        array{false, true, false, false, false, false, false, true}, {2, 4});
    ScanOptions options{.reverse = true,
                        .initial = array{10.f, 100.f},
                        .reset = reset,
                        .dtype = float32,
                        .include_initial = true,
                        .skipna = true};
    CHECK(holds(scan(a, Op::prod, 1, options),
                {2.f, 1.f, 120.f, 40.f, 10.f, 210.f, 42.f, 7.f, 7.f, 100.f},
                {2, 5}));
    // The same lines as columns.
    options.reset = transpose(reset);
    CHECK(holds(scan(transpose(a), Op::prod, 0, options),
                {2.f, 210.f, 1.f, 42.f, 120.f, 7.f, 40.f, 7.f, 10.f, 100.f},
                {5, 2}));
    options.include_initial = options.inclusive = false;
    options.stream = to_stream({});
    CHECK(holds(scan(transpose(a), Op::prod, 0, options),
                {1.f, 42.f, 1.f, 7.f, 40.f, 7.f, 10.f, 1.f}, {4, 2}));
  });
}

TEST_CASE("scan: segments of one line of many tiles") {
  on_every_device([] {
    constexpr int64_t n = 200'003, first = 70'001, second = 150'000;
    std::vector<int> forward, backward;
    for (int64_t i = 0; i < n; ++i) {
      int64_t start = i < first ? -7 : i < second ? first : second;
      int64_t end = i < first ? first : i < second ? second : n + 7;
      forward.push_back(static_cast<int>(i + 1 - start));
      backward.push_back(static_cast<int>(end - i));
    }
    ScanOptions options{.initial = array(7),
                        .reset = array{int64_t{first}, first, second}};
    array a = ones({n}, int32);
    CHECK(holds(sum_of(a, options), forward));
    options.reverse = true;
    CHECK(holds(sum_of(a, options), backward));
    // Products leave the range in the first segment only.
    options.reverse = false;
    options.initial = array(1.f);
    std::vector<float> factors(n, 1.f), products(n, 1.f);
    for (int64_t i = 100; i < first; ++i) products[size_t(i)] = -0.f;
    factors[100] = -0.f;
    factors[first] = 2;
    for (int64_t i = first; i < second; ++i) products[size_t(i)] = 2;
    CHECK(holds(scan(array(factors.data(), {n}), Op::prod, 0, options),
                products));
  });
}

TEST_CASE("scan: errors name the argument") {
  on_every_device([] {
    array a = ones({2, 3});
    array line{1.f, 2.f};
    auto wrong = [&](const char* argument, const ScanOptions& options) {
      return fails<std::invalid_argument>("scan", argument, [&] {
        scan(options.reset && options.reset->ndim() == 1 ? line : a, Op::prod,
             0, options);
      });
    };
    auto wrong_type = [&](const char* argument, Op op,
                          const ScanOptions& options) {
      return fails<TypeError>("scan", argument,
                              [&] { scan(line, op, 0, options); });
    };
    CHECK(
        fails<std::out_of_range>("scan", "Axis", [&] { scan(a, Op::sum, 2); }));
    CHECK(fails<std::out_of_range>("scan", "Axis",
                                   [&] { scan(a, Op::sum, -3); }));
    CHECK(fails<std::out_of_range>("scan", "Axis",
                                   [&] { scan(array(1.f), Op::sum, 0); }));
    CHECK(wrong("initial", {.initial = ones({2})}));
    CHECK(wrong("initial", {.initial = ones({1, 3})}));
    CHECK(wrong_type("initial", Op::sum, {.initial = ones({}, complex64)}));
    CHECK(fails<TypeError>("scan", "initial", [&] {
      scan(ones({2}, int32), Op::sum, 0, {.initial = array(.5f)});
    }));
    CHECK(wrong("initial", {.initial = carry(a, Op::sum, 0)}));
    CHECK(wrong("initial", {.initial = carry(a, Op::prod, 1)}));
    CHECK(wrong("initial",
                {.initial = carry(a, Op::prod, 0, {.reverse = true})}));
    CHECK(
        wrong("initial", {.initial = carry(astype(a, float16), Op::prod, 0)}));
    CHECK(wrong("reset", {.reset = ones({2, 4}, bool_)}));
    CHECK(wrong("reset", {.reset = ones({3}, bool_)}));
    CHECK(wrong("reset", {.reset = ones({2, 3}, int32)}));
    for (array offsets : {array{1, 0}, array{-1}, array{0, 3}}) {
      CHECK(wrong("reset", {.reset = offsets}));
    }
    CHECK(wrong("reset", {.reset = array{~uint64_t{0}}}));
    CHECK(fails<std::invalid_argument>(
        "scan", "reset", [&] { scan(a, Op::sum, 0, {.reset = array(0)}); }));
    CHECK(fails<std::invalid_argument>("scan", "reset", [&] {
      scan(line, Op::sum, 0, {.reset = zeros({1, 1}, int32)});
    }));
    CHECK(wrong_type("reset", Op::sum, {.reset = line}));
    CHECK(wrong_type("dtype", Op::sum, {.dtype = bool_}));
    CHECK(wrong_type("dtype", Op::logaddexp, {.dtype = int32}));
    CHECK(wrong("include_initial",
                {.inclusive = false, .include_initial = true}));
    Stream stream = to_stream({});
    stream.index = 1 << 20;
    CHECK(wrong("stream", {.stream = stream}));
    CHECK_THROWS_AS(scan(broadcast_to(a, {int64_t{1} << 40, 2, 3}), Op::sum),
                    OutOfMemory);
  });
}

TEST_CASE("the cumulative functions of the array API standard") {
  on_every_device([] {
    array bytes{int8_t{100}, int8_t{2}, int8_t{-1}};
    CHECK(holds(cumulative_prod(bytes),
                {int64_t{100}, int64_t{200}, int64_t{-200}}));
    CHECK(holds(cumulative_sum(bytes),
                {int64_t{100}, int64_t{102}, int64_t{101}}));
    CHECK(holds(cumulative_sum(array{uint8_t{255}, uint8_t{1}}),
                {uint64_t{255}, uint64_t{256}}));
    CHECK(holds(cumulative_sum(array{true, true}), {int64_t{1}, int64_t{2}}));
    CHECK(holds(cumulative_prod(array{2.f, 3.f}), {2.f, 6.f}));
    CHECK(holds(cumulative_prod(array{2, 3}, 0, float32), {2.f, 6.f}));
    CHECK(
        holds(cumulative_prod(array{2.f, 3.f}, {}, {}, true), {1.f, 2.f, 6.f}));
    CHECK(
        holds(cumulative_sum(array{2.f, 3.f}, {}, {}, true), {0.f, 2.f, 5.f}));
    array table = reshape(array{1.f, 2.f, 3.f, 4.f}, {2, 2});
    CHECK(holds(cumulative_sum(table, -1), {1.f, 3.f, 3.f, 7.f}, {2, 2}));
    CHECK(holds(cumulative_prod(table, 0), {1.f, 2.f, 3.f, 8.f}, {2, 2}));
    CHECK(fails<std::invalid_argument>("cumulative_sum", "axis",
                                       [&] { cumulative_sum(table); }));
    CHECK(fails<std::invalid_argument>("cumulative_prod", "axis",
                                       [&] { cumulative_prod(array(1)); }));
    CHECK(fails<std::out_of_range>("cumulative_prod", "Axis",
                                   [&] { cumulative_prod(table, 2); }));
    CHECK(fails<TypeError>("cumulative_sum", "dtype",
                           [&] { cumulative_sum(table, 0, bool_); }));
  });
}
