// The number of threads: what may be set, and results that do not depend on it.
#include <doctest/doctest.h>

#include <limits>
#include <random>

#include "../expect.h"

using namespace upsweep;

namespace {

// Restores the number of threads.
struct Threads {
  int before = get_num_threads();
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("the number of threads is what was set last") {
  Threads restored;
  CHECK(restored.before >= 1);
  CHECK(restored.before <= 1024);
  CHECK(set_num_threads(3) == restored.before);
  CHECK(get_num_threads() == 3);
  CHECK(set_num_threads(1024) == 3);
  CHECK(set_num_threads(1) == 1024);
  for (int wrong : {0, -1, 1025, std::numeric_limits<int>::max(),
                    std::numeric_limits<int>::min()}) {
    CHECK(fails<std::invalid_argument>("set_num_threads", "n",
                                       [&] { set_num_threads(wrong); }));
    CHECK(get_num_threads() == 1);
  }
}

TEST_CASE("the same bits with any number of threads") {
  Threads restored;
  constexpr int64_t n = 600'000;
  std::vector<float> values(n);
  std::mt19937 random(1);
  std::normal_distribution<float> near_one(1, 1e-3f);
  for (float& x : values) x = near_one(random);
  array row(values.data(), {n});
  array columns = reshape(row, {n / 3, 3});
  array offsets{int64_t{100'000}, int64_t{100'001}};
  auto results = [&] {
    auto [mantissa, exponent] = cumprod_frexp(row);
    return std::vector<array>{
        cumprod(row),
        cumsum(columns, 0),
        scan(row, Op::prod, 0, {.initial = array(.5f), .reset = offsets}),
        carry(row, Op::sum).value(),
        carry(columns, Op::prod, 0).value(),
        linear_recurrence(row, row),
        mantissa,
        exponent};
  };
  set_num_threads(1);
  std::vector<array> expected = results();
  for (int threads : {2, 5}) {
    set_num_threads(threads);
    std::vector<array> again = results();
    for (size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      CHECK(std::memcmp(again[i].raw_data(), expected[i].raw_data(),
                        expected[i].nbytes()) == 0);
    }
  }
}
