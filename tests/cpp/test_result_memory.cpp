// Results in memory that another library lends.
#include <doctest/doctest.h>

#include <span>
#include <vector>

#include "expect.h"

using namespace upsweep;

namespace {

const StreamOrDevice kCpu = Device{DeviceType::cpu};

ResultMemory bytes_of(std::span<float> values) {
  return std::as_writable_bytes(values);
}

}  // namespace

TEST_CASE("a result is written to the given memory, and nowhere else") {
  array a{2.f, 3.f, 4.f};
  std::vector<float> room(5, -1.f);
  ResultMemory into = bytes_of(std::span(room).subspan(1, 3));
  auto is = [&](std::vector<float> wanted) {
    wanted.insert(wanted.begin(), -1.f);
    wanted.push_back(-1.f);
    return room == wanted;
  };
  array out = scan(a, Op::prod, 0, {.into = into, .stream = kCpu});
  out.wait();
  CHECK(out.data<float>() == &room[1]);
  CHECK(is({2, 6, 24}));
  scan(a, Op::sum, {}, {.reverse = true, .into = into, .stream = kCpu}).wait();
  CHECK(is({9, 7, 4}));
  linear_recurrence(a, array(1.f), 0, {.into = into}, kCpu).wait();
  CHECK(is({1, 4, 17}));
  cumprod_vjp(a, array(1.f), 0, false, true, kCpu, into).wait();
  CHECK(is({16, 10, 6}));
  cumprod_jvp(a, array(1.f), 0, false, true, kCpu, into).wait();
  CHECK(is({1, 5, 26}));
}

TEST_CASE("a result in given memory is an input like any other") {
  std::vector<float> room(1 << 20);
  array big = ones({1 << 20}, float32, kCpu);
  array sums = scan(big, Op::sum, 0, {.into = bytes_of(room), .stream = kCpu});
  array largest = cummax(sums, 0, true, true, kCpu);
  CHECK(largest.data<float>()[0] == 1 << 20);
  CHECK(room.back() == 1 << 20);
}

TEST_CASE("given memory of another size is refused") {
  std::vector<float> room(4, -1.f);
  array a{2.f, 3.f, 4.f};
  CHECK(fails<std::invalid_argument>("scan", "into has 16 bytes", [&] {
    scan(a, Op::prod, 0, {.into = bytes_of(room), .stream = kCpu});
  }));
  CHECK(room == std::vector<float>(4, -1.f));
}

TEST_CASE("the CPU has no stream of another library") {
  CHECK_THROWS_AS(wrap_native_stream(DeviceType::cpu, nullptr),
                  std::invalid_argument);
}
