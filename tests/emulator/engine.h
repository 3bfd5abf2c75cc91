// The engine: runs translated kernels with the semantics of a GPU, and refuses
// what a GPU would leave undefined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace upsweep::emulator {

// The memory bound to [[buffer(i)]]. A kernel may touch nothing else.
struct Binding {
  void* data;
  size_t size;
};

struct Launch {
  std::string kernel;
  std::vector<Binding> bindings;  // by index
  uint32_t groups;                // of the grid, which has one dimension
  uint32_t threads;               // of a threadgroup
};

// Bytes of device memory that kernels moved; constant arguments do not count.
struct Counts {
  uint64_t read = 0;
  uint64_t written = 0;
};

// The names of all kernels, sorted.
const std::vector<std::string>& kernel_names();
bool has_kernel(const std::string& name);
// Bytes of its constant argument.
size_t params_size(const std::string& name);

// Everything undefined, such as the order of threads and threadgroups and the
// initial contents of threadgroup memory, follows from the seed
// (UPSWEEP_EMULATOR_SEED at first).
void set_seed(uint64_t seed);

// Runs all threadgroups, several at a time. Throws std::runtime_error, which
// says what happened where, if the kernel breaks a rule: a race, a barrier or a
// simdgroup function that some threads do not reach, an access outside its
// buffers. Groups that have not started then never do.
Counts run(const Launch& launch);

// Runs only some of the groups of the grid, in the order given.
Counts run(const Launch& launch, std::span<const uint32_t> chosen);

}  // namespace upsweep::emulator
