// Tuning for NVIDIA GPUs: the shape of a threadgroup. Shared with the host.
//
// A thread's items of a tile are a multiple of 16 bytes for any dtype, so that
// vectors can move them. All of a threadgroup's memory is at most 48 KiB.
#pragma once

// Threadgroups start in the order of their index, and those that have started
// progress while others wait for them. CUB relies on it, too.
#define UPSWEEP_LOOK_BACK

namespace upsweep {

enum : uint32_t {
  kThreads = 128,    // of a threadgroup; a power of two
  kItemBytes = 256,  // of a thread's items of a tile, at most
  kMaxItems = 128,   // of a thread in a tile, at most
  kResident =
      5,  // threadgroups that a core must have room for: bounds registers
};

// A thread's items of a tile.
constexpr uint32_t items(uint32_t element_size) {
  return kItemBytes / element_size < kMaxItems ? kItemBytes / element_size
                                               : kMaxItems;
}

}  // namespace upsweep
