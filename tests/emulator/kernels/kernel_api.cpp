// The engine for Python's ctypes: kernels without a backend around them.
#include <cstring>
#include <exception>
#include <vector>

#include "engine.h"

using namespace upsweep::emulator;

extern "C" {

// Returns nullptr, or an error that lives until the next call. If `chosen` is
// nullptr, all groups run.
const char* upsweep_run_kernel(const char* kernel, const Binding* bindings,
                               uint32_t bound, uint32_t groups,
                               uint32_t threads, const uint32_t* chosen,
                               uint32_t chosen_size, Counts* counts) {
  static thread_local std::string failure;
  try {
    Launch launch{kernel, {bindings, bindings + bound}, groups, threads};
    *counts = chosen ? run(launch, {chosen, chosen_size}) : run(launch);
    return nullptr;
  } catch (const std::exception& error) {
    failure = error.what();
    return failure.c_str();
  }
}

void upsweep_set_seed(uint64_t seed) { set_seed(seed); }

uint32_t upsweep_kernels() {
  return static_cast<uint32_t>(kernel_names().size());
}
const char* upsweep_kernel_name(uint32_t i) {
  return kernel_names()[i].c_str();
}
}
