// Tuning for NVIDIA GPUs: the shape of a threadgroup. Shared with the host.
//
// A thread's part of a tile is a multiple of 16 bytes of any dtype, so that it
// can be moved by vectors. All of a threadgroup's memory is at most 48 KiB.
#pragma once

// Threadgroups that have begun go on whatever others wait for.
#define UPSWEEP_LOOK_BACK

namespace upsweep {

enum : uint32_t {
  kThreads = 128,    // of a threadgroup; a power of two
  kItemBytes = 256,  // of a thread's part of a tile, at most, and
  kMaxItems = 128,   // its elements, at most
  kRowBytes = 256,   // of threadgroup memory, which are next to each other
  kResident = 5,     // threadgroups that a core has room for: bounds registers
};

// Elements of a thread's part of a tile.
constexpr uint32_t items(uint32_t element_size) {
  return kItemBytes / element_size < kMaxItems ? kItemBytes / element_size
                                               : kMaxItems;
}

}  // namespace upsweep
