// Small work: the calling thread does it, and it allocates next to nothing.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "array_access.h"
#include "core/backend.h"
#include "upsweep/upsweep.h"

namespace {
std::atomic<int> allocations{0};
}

// Counts the allocations of the whole program. aligned_alloc needs a multiple
// of the alignment.
void* operator new(size_t nbytes, std::align_val_t alignment) {
  ++allocations;
  auto unit = static_cast<size_t>(alignment);
  void* data = std::aligned_alloc(unit, (nbytes / unit + 1) * unit);
  return data ? data : throw std::bad_alloc();
}
void* operator new(size_t nbytes) {
  return operator new(nbytes, std::align_val_t{alignof(std::max_align_t)});
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data, size_t, std::align_val_t) noexcept {
  std::free(data);
}

using namespace upsweep;

TEST_CASE("a small scan allocates its result's shape, strides and storage") {
  array row = ones({1024}), square = ones({32, 32});
  auto allocated = [](auto scan) {
    scan();  // the cache of buffers serves the next one
    int before = allocations;
    scan();
    return allocations - before;
  };
  CHECK(allocated([&] { cumprod(row); }) == 3);
  CHECK(allocated([&] { cumprod(row, 0); }) == 3);
  CHECK(allocated([&] { cumprod(square, 0); }) == 3);
  CHECK(allocated([&] { cumprod(square, 1); }) == 3);
}

TEST_CASE("small work on an idle stream is done by the caller") {
  Stream stream = new_stream(DeviceType::cpu);
  array out = make_array(backend(stream).allocate(stream.device, 1), {}, bool_);
  std::thread::id worker;
  backend(stream).run_on_host(
      stream,
      {[&] { worker = std::this_thread::get_id(); }, {}, storage_of(out), 1});
  CHECK(out.is_ready());
  CHECK(worker == std::this_thread::get_id());
}
