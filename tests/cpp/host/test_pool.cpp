// The pool finishes all work, from one caller and from several at once.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "host/pool.h"

using namespace upsweep;

TEST_CASE("every share is done, however many threads come") {
  Pool pool(4);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    std::atomic<int> next{0}, done{0}, callers{0};
    pool.run(4, [&] {
      ++callers;
      while (next.fetch_add(1) < 100) ++done;
    });
    CHECK(done == 100);
    CHECK(callers >= 1);
    CHECK(callers <= 4);
  }
}

TEST_CASE("ranges make up the whole") {
  for (int64_t size : {0, 1, 32767, 32768, 262144, 262145, 1000003}) {
    std::vector<std::atomic<int>> visits(static_cast<size_t>(size));
    for_ranges(size, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
    });
    CHECK(std::all_of(visits.begin(), visits.end(),
                      [](const auto& count) { return count == 1; }));
  }
}

TEST_CASE("two callers do not wait for each other") {
  Pool pool(3);
  std::atomic<int> done{0};
  auto caller = [&] {
    for (int repeat = 0; repeat < 500; ++repeat) {
      std::atomic<int> next{0};
      pool.run(3, [&] {
        while (next.fetch_add(1) < 20) ++done;
      });
    }
  };
  std::thread other(caller);
  caller();
  other.join();
  CHECK(done == 2 * 500 * 20);
}
