// Streams: order within one, events between two, and where errors surface.
#include <doctest/doctest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "array_access.h"
#include "core/backend.h"
#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

constexpr int64_t kLarge = int64_t{1} << 40;  // never run by the caller

// An array that fn produces on a stream.
array run(Stream stream, std::function<void()> fn,
          std::vector<StoragePtr> inputs = {}, int64_t elements = kLarge) {
  array out = make_array(backend(stream).allocate(stream.device, 1), {}, bool_);
  backend(stream).run_on_host(
      stream, {std::move(fn), std::move(inputs), storage_of(out), elements});
  return out;
}

}  // namespace

TEST_CASE("two streams overlap") {
  Stream a = new_stream(DeviceType::cpu), b = new_stream(DeviceType::cpu);
  // Each waits for the other, so run in sequence they would never end.
  std::latch both(2);
  array x = run(a, [&] { both.arrive_and_wait(); });
  array y = run(b, [&] { both.arrive_and_wait(); });
  x.wait();
  y.wait();
}

TEST_CASE("work on one stream runs in order, small work included") {
  Stream stream = new_stream(DeviceType::cpu);
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    run(stream, [&order, i] { order.push_back(i); }, {}, i % 3 ? 1 : kLarge);
  }
  synchronize(stream);
  for (int i = 0; i < 100; ++i) CHECK(order[static_cast<size_t>(i)] == i);
}

TEST_CASE("synchronize waits for what a stream was given before") {
  Stream stream = new_stream(DeviceType::cpu);
  std::latch started(1), given(1);
  std::atomic<bool> go{false};
  bool before = false;
  array x = run(stream, [&] {
    started.count_down();
    given.wait();
    before = true;
  });
  std::thread other([&] {
    started.wait();
    // Long enough, nearly always, to end after the call.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    run(stream, [&] {
      while (!go) std::this_thread::yield();
    });
    given.count_down();
  });
  synchronize(stream);
  CHECK(before);
  go = true;
  other.join();
  synchronize(stream);  // what is still running looks at go
}

TEST_CASE("work waits for its inputs from another stream") {
  Stream a = new_stream(DeviceType::cpu), b = new_stream(DeviceType::cpu);
  std::atomic<bool> go{false};
  bool first = false, second = false;
  array x = run(a, [&] {
    while (!go) std::this_thread::yield();
    first = true;
  });
  array y = run(b, [&] { second = first; }, {storage_of(x)}, 1);
  CHECK_FALSE(y.is_ready());
  go = true;
  y.wait();
  CHECK(second);
}

TEST_CASE("an error comes out where its result is read, and once more") {
  Stream stream = new_stream(DeviceType::cpu);
  for (int64_t elements : {int64_t{1}, kLarge}) {
    array bad = run(
        stream, [] { throw std::runtime_error("seeded error"); }, {}, elements);
    array after = run(stream, [] {}, {storage_of(bad)}, elements);
    array good = run(stream, [] {}, {}, elements);
    CHECK_THROWS_WITH_AS(bad.wait(), "seeded error", std::runtime_error);
    CHECK_THROWS_WITH_AS(bad.raw_data(), "seeded error", std::runtime_error);
    CHECK_THROWS_WITH_AS(after.wait(), "seeded error", std::runtime_error);
    good.wait();
    CHECK_THROWS_WITH_AS(synchronize(stream), "seeded error",
                         std::runtime_error);
    synchronize(stream);
    CHECK(cumprod(array{2, 3}, 0, false, true, stream).data<int>()[1] == 6);
  }
}

TEST_CASE("a release function may wait for the stream that held its memory") {
  Stream stream = new_stream(DeviceType::cpu);
  static const float memory[1] = {2};
  std::latch started(1), go(1), released(1);
  array later = array(0.f);
  array y = run(stream, [&] {
    started.count_down();
    go.wait();
  });
  {
    array owned = array::adopt(memory, {1}, {1}, float32, [&] {
      later.wait();
      synchronize(stream);
      released.count_down();
    });
    y = run(stream, [] {}, {storage_of(owned)});
  }
  later = run(stream, [] {}, {storage_of(y)});
  started.wait();
  go.count_down();
  y.wait();
  released.wait();
}

TEST_CASE("after a wait what the work held is released") {
  Stream stream = new_stream(DeviceType::cpu);
  static const float memory[1] = {2};
  for (int i = 0; i < 200; ++i) {
    std::atomic<bool> released{false};
    array y = run(stream, [] {},
                  {storage_of(array::adopt(memory, {1}, {1}, float32,
                                           [&] { released = true; }))});
    y.wait();
    while (!released) std::this_thread::yield();  // by another waiting thread
    CHECK(released);
  }
}

TEST_CASE("a stream that is far behind makes its producer wait") {
  constexpr int kWorks = 3000;
  Stream stream = new_stream(DeviceType::cpu);
  std::latch go(1);
  std::atomic<int> given{0};
  array first = run(stream, [&] { go.wait(); });
  std::thread producer([&] {
    for (int i = 0; i < kWorks; ++i) {
      run(stream, [] {});
      ++given;
    }
  });
  for (int before = -1; before != given;) {
    before = given;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(given > 0);
  CHECK(given < kWorks);
  go.count_down();
  producer.join();
  CHECK(given == kWorks);
  synchronize(stream);
}

TEST_CASE("contexts nest and belong to their thread") {
  Stream before = default_stream(DeviceType::cpu);
  Stream a = new_stream(DeviceType::cpu), b = new_stream(DeviceType::cpu);
  {
    StreamContext outer(a);
    {
      StreamContext inner(b);
      CHECK(default_stream(DeviceType::cpu) == b);
      std::thread([&] {
        CHECK(default_stream(DeviceType::cpu) == before);
      }).join();
    }
    CHECK(default_stream(DeviceType::cpu) == a);
  }
  CHECK(default_stream(DeviceType::cpu) == before);
  set_default_stream(a);
  CHECK(to_stream({}) == a);
  set_default_stream(before);
}

TEST_CASE("what does not exist is named") {
  CHECK_THROWS_AS(to_stream(Stream{12345, DeviceType::cpu}),
                  std::invalid_argument);
  CHECK_THROWS_AS(set_default_device(Device(DeviceType::cpu, 1)),
                  std::invalid_argument);
  CHECK_FALSE(is_available(Device(DeviceType::cpu, 1)));
  CHECK(is_available(DeviceType::cpu));
  if (!is_available(DeviceType::gpu)) {
    CHECK_THROWS_WITH_AS(
        new_stream(DeviceType::gpu),
        "[new_stream] Cannot make gpu stream without gpu backend.",
        std::invalid_argument);
  }
}

TEST_CASE("many threads use one stream") {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int64_t n : {10, 1000, 100000, 3}) {
        array result = cumsum(ones({n * (i + 1)}));
        right += result.data<float>()[n * (i + 1) - 1] ==
                 static_cast<float>(n * (i + 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 32);
}
