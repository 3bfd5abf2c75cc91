// The cache of buffers, its counters and its limits, with a source that counts.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "host/allocator.h"
#include "upsweep/error.h"

using namespace upsweep;

namespace {

int live = 0;
size_t largest = SIZE_MAX;  // the source refuses more

const Allocator::Source kCounting = {[](size_t nbytes) -> void* {
                                       if (nbytes > largest) return nullptr;
                                       ++live;
                                       return std::aligned_alloc(64, nbytes);
                                     },
                                     [](void* data, size_t) {
                                       --live;
                                       std::free(data);
                                     }};

}  // namespace

TEST_CASE("a freed buffer serves the next array of its size") {
  Allocator allocator(kCounting, size_t{1} << 30);
  void* first = allocator.allocate(1000);
  CHECK(allocator.active() >= 1000);
  allocator.free(first, 1000);
  CHECK(allocator.active() == 0);
  CHECK(allocator.cached() >= 1000);
  void* second = allocator.allocate(990);
  CHECK(second == first);
  CHECK(allocator.cached() == 0);
  allocator.free(second, 990);
  CHECK(live == 1);
  allocator.clear_cache();
  CHECK(live == 0);
  CHECK(allocator.cached() == 0);
  CHECK(allocator.peak() >= 1000);
  allocator.reset_peak();
  CHECK(allocator.peak() == 0);
}

TEST_CASE("the memory limit is an exception and loses nothing") {
  Allocator allocator(kCounting, 1 << 20);
  void* half = allocator.allocate(600 << 10);
  CHECK_THROWS_AS(allocator.allocate(600 << 10), OutOfMemory);
  CHECK_THROWS_AS(allocator.allocate(SIZE_MAX), OutOfMemory);
  CHECK_THROWS_AS(allocator.allocate(SIZE_MAX - 100), OutOfMemory);
  CHECK(allocator.set_memory_limit(4 << 20) == 1 << 20);
  void* other = allocator.allocate(600 << 10);
  allocator.free(half, 600 << 10);
  allocator.free(other, 600 << 10);
  allocator.clear_cache();
  CHECK(live == 0);
}

TEST_CASE("a cache over its limit shrinks, and one in the way is given back") {
  Allocator allocator(kCounting, 1 << 30);
  CHECK(allocator.set_cache_limit(100 << 10) == 1 << 30);
  void* big = allocator.allocate(200 << 10);
  void* small = allocator.allocate(64 << 10);
  allocator.free(small, 64 << 10);
  allocator.free(big, 200 << 10);
  CHECK(allocator.cached() <= 100 << 10);
  allocator.set_cache_limit(1 << 30);
  largest = 1 << 10;
  CHECK_THROWS_AS(allocator.allocate(1 << 20), OutOfMemory);
  largest = SIZE_MAX;
  CHECK(allocator.cached() == 0);
  CHECK(live == 0);
}

TEST_CASE("zero bytes are a buffer too") {
  Allocator allocator(kCounting, 1 << 20);
  void* data = allocator.allocate(0);
  CHECK(data != nullptr);
  allocator.free(data, 0);
  allocator.clear_cache();
  CHECK(live == 0);
}
