// carry and Carry: what lines amount to, and scans that go on after them.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "expect.h"

using namespace upsweep;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The value of the carry of a line.
array amount(const array& a, Op op, const CarryOptions& options = {}) {
  return carry(a, op, {}, options).value();
}

// A product that leaves the range of float32 between two carries.
Carry undecided() {
  Carry part = carry(array{0x1p100f}, Op::prod);
  return part.then(part);
}

bool is_number(const CarryRecord::Number& number, double re, double re_low,
               int64_t exponent) {
  return number.re == re && number.re_low == re_low && number.im == 0 &&
         number.im_low == 0 && number.exponent == exponent && number.scale == 0;
}

}  // namespace

TEST_CASE("carry: what a line amounts to") {
  on_every_device([] {
    array a{3, 1, 2};
    CHECK(holds(amount(a, Op::sum), {6}, {}));
    CHECK(holds(amount(a, Op::prod), {6}, {}));
    CHECK(holds(amount(a, Op::max), {3}, {}));
    CHECK(holds(amount(a, Op::min), {1}, {}));
    CHECK(holds(amount(a, Op::sum, {.reverse = true}), {6}, {}));
    CHECK(holds(amount(a, Op::sum, {.initial = array(10)}), {16}, {}));
    CHECK(holds(amount(array{true, true}, Op::sum), {2}, {}));
    CHECK(holds(amount(array{true, false}, Op::prod), {false}, {}));
    CHECK(holds(amount(array{uint8_t{200}, uint8_t{100}}, Op::sum),
                {uint8_t{44}}, {}));
    CHECK(
        holds(amount(array{0x1p100f, 0x1p-100f, -3.f}, Op::prod), {-3.f}, {}));
    CHECK(holds(amount(array{complex64_t(0, 1), complex64_t(0, 1)}, Op::prod),
                {complex64_t(-1, 0)}, {}));
    // As in a scan, of equal numbers the first one counts.
    CHECK(holds(amount(array{-0.f, 0.f}, Op::max), {-0.f}, {}));
    CHECK(
        holds(amount(array{-0.f, 0.f}, Op::max, {.reverse = true}), {0.f}, {}));
    CHECK(holds(amount(array{2.f, kNan}, Op::min), {kNan}, {}));
    double log2 = amount(zeros({2}), Op::logaddexp).item<float>();
    CHECK(std::abs(log2 - std::log(2.)) <= 0x1p-21);
  });
}

TEST_CASE("carry: lines along an axis") {
  on_every_device([] {
    array a = reshape(array{1, 2, 3, 4, 5, 6}, {2, 3});
    Carry rows = carry(a, Op::sum, 1, {.reverse = true});
    CHECK(rows.op() == Op::sum);
    CHECK(rows.dtype() == int32);
    CHECK(rows.reverse());
    CHECK(rows.shape() == Shape{2});
    CHECK(rows.size() == 2);
    CHECK(rows.is_decided());
    CHECK(holds(rows.value(), {6, 15}));
    CHECK(holds(carry(a, Op::prod, -2).value(), {4, 10, 18}));
    CHECK(holds(carry(a, Op::sum).value(), {21}, {}));
    CHECK(holds(carry(transpose(a), Op::sum, 0).value(), {6, 15}));
    CHECK(carry(array(2), Op::sum).shape().empty());
    CHECK(carry(astype(a, bool_), Op::sum, 0).dtype() == int32);
    CHECK(carry(a, Op::logaddexp, 0).dtype() == float32);
    // No elements, and no lines.
    CHECK(holds(carry(zeros({2, 0}), Op::prod, 1).value(), {1.f, 1.f}));
    CHECK(holds(
        carry(zeros({2, 0}), Op::prod, 1, {.initial = array{2.f, 3.f}}).value(),
        {2.f, 3.f}));
    Carry none = carry(zeros({2, 0}), Op::prod, 0);
    CHECK(none.shape() == Shape{0});
    CHECK(none.size() == 0);
    CHECK(none.is_decided());
    CHECK(none.value().shape() == Shape{0});
  });
}

TEST_CASE("carry: a scan goes on where another one ended") {
  on_every_device([] {
    array a = reshape(array{1, 2, 3, 4, 5, 6}, {2, 3});
    array left = slice(a, {0, 0}, {1, 1}, {2, 2});
    array right = slice(a, {0, 2}, {1, 1}, {2, 1});
    CHECK(holds(scan(right, Op::sum, 1, {.initial = carry(left, Op::sum, 1)}),
                {6, 15}, {2, 1}));
    Carry from_right = carry(right, Op::sum, 1, {.reverse = true});
    CHECK(
        holds(scan(left, Op::sum, 1, {.reverse = true, .initial = from_right}),
              {6, 5, 15, 11}, {2, 2}));
    CHECK(holds(carry(right, Op::prod, 1, {.initial = carry(left, Op::prod, 1)})
                    .value(),
                {6, 120}));
    CHECK(holds(scan(right, Op::sum, 1,
                     {.inclusive = false, .initial = carry(left, Op::sum, 1)}),
                {3, 9}, {2, 1}));
    CHECK(holds(
        scan(right, Op::sum, 1,
             {.initial = carry(left, Op::sum, 1), .include_initial = true}),
        {3, 6, 9, 15}, {2, 2}));
  });
}

TEST_CASE("carry: a line that has left the range has left it for good") {
  on_every_device([] {
    auto after = [](const array& before, const array& a) {
      return scan(a, Op::prod, 0, {.initial = carry(before, Op::prod)});
    };
    array over{0x1p100f, -0x1p100f}, under{0x1p-100f, -0x1p-100f};
    CHECK(holds(after(over, {0x1p-100f, -1.f, 0.f}), {-kInf, kInf, kNan}));
    CHECK(holds(after(under, {0x1p100f, -1.f, kInf}), {-0.f, 0.f, kNan}));
    CHECK(holds(amount(over, Op::prod), {-kInf}, {}));
    CHECK(holds(amount(under, Op::prod), {-0.f}, {}));
    // But not in the total, nor in another segment.
    auto [mantissa, exponent] = carry(over, Op::prod).mantissa_exponent();
    CHECK(holds(mantissa, {-.5}, {}));
    CHECK(holds(exponent, {int64_t{201}}, {}));
    CHECK(holds(
        scan(array{2.f, 3.f}, Op::prod, 0,
             {.initial = carry(over, Op::prod), .reset = array{false, true}}),
        {-kInf, 3.f}));
    float most = std::numeric_limits<float>::max();
    CHECK(holds(amount(array{most, most, -most, -most}, Op::sum), {kInf}, {}));
  });
}

TEST_CASE("Carry::then") {
  on_every_device([] {
    array a = reshape(array{1, 2, 3, 4, 5, 6}, {2, 3});
    for (bool reverse : {false, true}) {
      CarryOptions options{.reverse = reverse};
      Carry first =
          carry(slice(a, {0, 0}, {1, 1}, {2, 1}), Op::sum, 1, options);
      Carry rest = carry(slice(a, {0, 1}, {1, 1}, {2, 2}), Op::sum, 1, options);
      Carry whole = reverse ? rest.then(first) : first.then(rest);
      CHECK(whole.is_decided());
      CHECK(holds(whole.value(), {6, 15}));
      CHECK(holds(first.value(), {1, 4}));
    }
    // Decided: within the range, or out of it before.
    Carry big = carry(array{0x1p60f}, Op::prod);
    Carry small = carry(array{-0x1p-60f}, Op::prod);
    CHECK(holds(big.then(small).value(), {-1.f}, {}));
    CHECK(holds(big.then(small).then(big.then(small)).value(), {1.f}, {}));
    Carry over = carry(array{0x1p100f, 0x1p100f}, Op::prod);
    CHECK(holds(over.then(small).value(), {-kInf}, {}));
    CHECK(holds(over.then(carry(array{0.f}, Op::prod)).value(), {kNan}, {}));
    Carry nan = carry(array{kNan}, Op::max);
    CHECK(holds(carry(array{1.f}, Op::max).then(nan).value(), {kNan}, {}));
    // Undecided: only elements tell where it left the range.
    CHECK_FALSE(undecided().is_decided());
    auto [mantissa, exponent] = undecided().mantissa_exponent();
    CHECK(holds(mantissa, {.5}, {}));
    CHECK(holds(exponent, {int64_t{201}}, {}));
    // One undecided line is enough.
    Carry lines = carry(array{1.f, 0x1p100f}, Op::prod, 0);
    CHECK(lines.then(lines).is_decided() == false);
  });
}

TEST_CASE("Carry::mantissa_exponent") {
  on_every_device([] {
    array a = reshape(array{3.f, 4.f, 0.f, 2.f, -0.f, 1.f, kInf, -2.f, kNan,
                            1.f, -0x1p-100f, 0x1p-100f},
                      {6, 2});
    auto [mantissa, exponent] = carry(a, Op::prod, 1).mantissa_exponent();
    CHECK(holds(mantissa, {.75, 0., -0., -double(kInf),
                           std::numeric_limits<double>::quiet_NaN(), -.5}));
    CHECK(holds(exponent, {int64_t{4}, int64_t{0}, int64_t{0}, int64_t{0},
                           int64_t{0}, int64_t{-199}}));
  });
  for (const Carry& wrong :
       {carry(array{1.f}, Op::sum), carry(array{1}, Op::prod),
        carry(array{complex64_t(1)}, Op::prod)}) {
    CHECK(fails<std::invalid_argument>("Carry.mantissa_exponent", "op",
                                       [&] { wrong.mantissa_exponent(); }));
  }
}

TEST_CASE("Carry: exponents stay within 64 bits") {
  for (Dtype dtype : {float32, float64}) {
    for (float factor : {0x1p60f, 0x1p-60f}) {
      Carry carry = upsweep::carry(astype(array{factor}, dtype), Op::prod);
      for (int i = 0; i < 80; ++i) carry = carry.then(carry);
      auto [mantissa, exponent] = carry.mantissa_exponent();
      CHECK(std::abs(exponent.item<int64_t>()) >= kMaxCarryExponent - 1);
      CHECK((exponent.item<int64_t>() > 0) == (factor > 1));
    }
    // Records may come from anywhere.
    CarryRecord record = *carry(ones({1}, dtype), Op::prod).records();
    for (double low : {-0x1p1023, double(kNan), double(kInf)}) {
      record.total.exponent = std::numeric_limits<int64_t>::max();
      record.prefix.exponent = std::numeric_limits<int64_t>::min();
      record.low[0] = low;
      record.high[0] = -low;
      Carry odd(Op::prod, dtype, false, {}, &record, 1);
      CHECK(odd.then(odd).then(odd).size() == 1);
      CHECK(odd.value().size() == 1);
      CHECK(odd.mantissa_exponent().second.item<int64_t>() ==
            kMaxCarryExponent + 1);
      array a = astype(array{2.f}, dtype);
      CHECK(scan(a, Op::prod, 0, {.initial = odd}).size() == 1);
      CHECK(carry(a, Op::prod, 0, {.initial = odd}).size() == 1);
      CHECK(cumprod_frexp(a, 0, {.initial = odd}).second.item<int>() ==
            1 << 30);
    }
  }
}

TEST_CASE("Carry::records") {
  on_every_device([] {
    const CarryRecord sum =
        *carry(array{int8_t{100}, int8_t{55}}, Op::sum).records();
    CHECK(is_number(sum.prefix, 0, 0, -101));
    CHECK(is_number(sum.total, 0, 0, -101));
    CHECK(sum.decided == 1);
    for (double x : {sum.low[0], sum.low[1], sum.high[0], sum.high[1],
                     sum.special[0], sum.special[1]}) {
      CHECK(x == 0);
    }
    // The prefixes are 3, -1 and 4.
    const CarryRecord real = *carry(array{3.f, -4.f, 5.f}, Op::sum).records();
    CHECK(is_number(real.prefix, 4, 0, 0));
    CHECK(is_number(real.total, 4, 0, 0));
    CHECK(real.low[0] == -1);
    CHECK(real.high[0] == 4);
    CHECK(real.special[0] == 0);
    // The product of the signs of 8, -1/4, and 2.
    const CarryRecord product =
        *carry(array{8.f, -.25f, 2.f}, Op::prod).records();
    CHECK(std::ldexp(product.total.re, int(product.total.exponent)) == -4);
    CHECK(product.low[0] <= 1);
    CHECK(product.high[0] >= 3);
    CHECK(product.special[0] == -1);
    CHECK(undecided().records()->decided == 0);
    const CarryRecord zero = *carry(array{-2.f, 0.f}, Op::prod).records();
    CHECK(zero.special[0] == 0);
    CHECK(std::signbit(zero.special[0]));
  });
}

TEST_CASE("Carry: made from records") {
  on_every_device([] {
    for (Op op : {Op::prod, Op::sum, Op::max, Op::min, Op::logaddexp}) {
      Carry made = carry(reshape(array{2.f, 3.f, 4.f, 5.f}, {2, 2}), op, 1);
      Carry again(op, float32, false, {2}, made.records(), 2);
      CHECK(std::memcmp(made.records(), again.records(),
                        2 * sizeof(CarryRecord)) == 0);
      array next = reshape(array{7.f, -1.f}, {2, 1});
      CHECK(array_equal(scan(next, op, 1, {.initial = made}),
                        scan(next, op, 1, {.initial = again}))
                .item<bool>());
    }
  });
  CarryRecord record{};
  record.decided = 1;
  record.prefix.exponent = record.total.exponent = -1;
  CHECK(holds(Carry(Op::max, uint8, false, {}, &record, 1).value(),
              {uint8_t{255}}, {}));
  CHECK(Carry(Op::max, uint8, false, {0}, nullptr, 0).value().shape() ==
        Shape{0});
  // No scan makes such sums.
  for (double sum : {0., -1., 1 / 0., double{kNan}}) {
    record.prefix.re = sum;
    Carry forged(Op::logaddexp, float64, false, {}, &record, 1);
    CHECK(std::isnan(forged.value().item<double>()));
  }
  auto make = [&](Op op, Dtype dtype, const Shape& shape, int64_t count) {
    return [=, &record] { Carry(op, dtype, false, shape, &record, count); };
  };
  using std::invalid_argument;
  CHECK(fails<invalid_argument>("Carry", "records",
                                make(Op::sum, int32, {2}, 1)));
  CHECK(
      fails<invalid_argument>("Carry", "records", make(Op::sum, int32, {}, 0)));
  CHECK(fails<invalid_argument>("Carry", "dimensions",
                                make(Op::sum, int32, {-1}, -1)));
  CHECK(fails<TypeError>("Carry", "bool", make(Op::sum, bool_, {}, 1)));
  CHECK(fails<TypeError>("Carry", "int32", make(Op::logaddexp, int32, {}, 1)));
}

TEST_CASE("carry: lines of many tiles") {
  on_every_device([] {
    constexpr int64_t n = 700'003;
    // Exponents that go down to -90 and up again.
    std::vector<float> factors;
    for (int64_t i = 0; i < n; ++i) {
      factors.push_back(i % 180 < 90 ? -.5f : 2.f);
    }
    array row(factors.data(), {n});
    constexpr int64_t last = n % 180;  // products since the exponent was 0
    static_assert(last == 163);
    float expected = std::ldexp(1.f, -(180 - last));
    // There are 90 negative factors a period, and 90 since.
    CHECK(holds(amount(row, Op::prod), {expected}, {}));
    array columns = transpose(broadcast_to(row, {3, n}));
    CHECK(holds(carry(columns, Op::prod, 0).value(),
                {expected, expected, expected}));
    CHECK(holds(amount(ones({n}, int32), Op::sum, {.initial = array(7)}),
                {int(n + 7)}, {}));
    // The line leaves the range in the middle, and comes back in the total.
    factors[n / 2] = 0x1p-100f;
    factors[n / 2 + 1] = 0x1p-100f;
    factors[n / 2 + 2] = 0x1p100f;
    Carry left = carry(array(factors.data(), {n}), Op::prod);
    CHECK(left.value().item<float>() == 0);
    CHECK(left.is_decided());
  });
}

TEST_CASE("carry: errors name the argument") {
  on_every_device([] {
    array a = ones({2, 3});
    auto wrong = [&](const CarryOptions& options) {
      return fails<std::invalid_argument>(
          "carry", "initial", [&] { carry(a, Op::prod, 0, options); });
    };
    CHECK(wrong({.initial = ones({2})}));
    CHECK(wrong({.initial = carry(a, Op::sum, 0)}));
    CHECK(wrong({.initial = carry(a, Op::prod, 1)}));
    CHECK(wrong({.reverse = true, .initial = carry(a, Op::prod, 0)}));
    CHECK(fails<TypeError>("carry", "initial", [&] {
      carry(a, Op::sum, 0, {.initial = ones({}, complex64)});
    }));
    CHECK(fails<std::out_of_range>("carry", "Axis",
                                   [&] { carry(a, Op::sum, 2); }));
    Stream stream = to_stream({});
    stream.index = 1 << 20;
    CHECK(fails<std::invalid_argument>(
        "carry", "stream", [&] { carry(a, Op::sum, 0, {.stream = stream}); }));

    CHECK(fails<std::invalid_argument>("Carry.value", "undecided",
                                       [] { undecided().value(); }));
    array next{1.f};
    CHECK(fails<std::invalid_argument>("scan", "initial", [&] {
      scan(next, Op::prod, 0, {.initial = undecided()});
    }));
    CHECK(fails<std::invalid_argument>("carry", "initial", [&] {
      carry(next, Op::prod, 0, {.initial = undecided()});
    }));

    Carry first = carry(a, Op::sum, 0);
    auto mismatch = [&](const char* what, const Carry& other) {
      return fails<std::invalid_argument>("Carry.then", what,
                                          [&] { first.then(other); });
    };
    CHECK(mismatch("op", carry(a, Op::prod, 0)));
    CHECK(mismatch("dtype", carry(astype(a, float16), Op::sum, 0)));
    CHECK(mismatch("direction", carry(a, Op::sum, 0, {.reverse = true})));
    CHECK(mismatch("shape", carry(a, Op::sum, 1)));
  });
}
