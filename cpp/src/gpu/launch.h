// Launch: kernels, and what they are given. It is the same for scans and
// copies, and for all backends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../core/backend.h"

namespace upsweep {

// The kernel <stage>_<set>; kernels.def lists the sets.
struct Kernel {
  const char* stage;
  const char* set;
  int64_t groups;  // threadgroups of its grid
};

// What a launch reads.
struct LaunchInputs {
  StoragePtr in;  // buffer 0
  // nullptr if the kernels read none.
  StoragePtr reset = nullptr;    // buffer 5
  StoragePtr initial = nullptr;  // buffer 6
  StoragePtr second = nullptr;   // buffer 7
};

struct Launch {
  std::vector<Kernel> kernels;    // each begins when the one before is done
  std::vector<std::byte> params;  // buffer 2
  size_t scratch[2];              // bytes of buffers 3 and 4; 0 if unused
  bool has_states = false;        // whether buffer 3 is for tile states

  template <class Params>
  static Launch make(std::vector<Kernel> kernels, const Params& params) {
    auto* bytes = reinterpret_cast<const std::byte*>(&params);
    return {std::move(kernels), {bytes, bytes + sizeof params}, {0, 0}};
  }
};

}  // namespace upsweep
