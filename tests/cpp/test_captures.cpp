// Results of a stream that a CUDA graph captures.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <span>
#include <stdexcept>

#include "expect.h"

using namespace upsweep;

namespace {

// A function of the driver, which the backend has loaded.
template <class... Arguments>
void call(const char* name, Arguments... arguments) {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  auto function = reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name));
  REQUIRE((function != nullptr));
  REQUIRE(function(arguments...) == 0);
}

}  // namespace

TEST_CASE("while a graph captures a stream, results need memory from before") {
  if (!is_available(DeviceType::gpu) || !has_own_memory(DeviceType::gpu)) {
    MESSAGE("skipped: no GPU here has a memory of its own");
    return;
  }
  Device gpu = DeviceType::gpu;
  CurrentDevice current(gpu);
  void *native = nullptr, *graph = nullptr, *runnable = nullptr;
  unsigned long long room = 0;
  call("cuStreamCreate", &native, 1u);
  call("cuMemAlloc_v2", &room, size_t{12});
  Stream stream = wrap_native_stream(gpu, native);
  array a = cumsum(array{1.f, 1.f, 1.f}, 0, false, true, gpu);
  array in =
      array::adopt(a.device_data(nullptr), {3}, {1}, float32, {}, stream);
  ResultMemory into(reinterpret_cast<std::byte*>(room), 12);

  call("cuStreamBeginCapture_v2", native, 2);
  CHECK(fails<std::runtime_error>(
      "cumprod", "as `into`", [&] { cumprod(in, 0, false, true, stream); }));
  CHECK(fails<std::runtime_error>("cumprod_vjp", "as `into`", [&] {
    cumprod_vjp(in, in, 0, false, true, stream);
  }));
  CHECK(fails<std::runtime_error>("linear_recurrence", "as `into`", [&] {
    linear_recurrence(in, in, 0, {}, stream);
  }));
  array out = scan(in, Op::prod, 0, {.into = into, .stream = stream});
  call("cuStreamEndCapture", native, &graph);

  call("cuGraphInstantiateWithFlags", &runnable, graph, 0ull);
  call("cuGraphLaunch", runnable, native);
  CHECK(holds(out, {1.f, 2.f, 6.f}));
}
