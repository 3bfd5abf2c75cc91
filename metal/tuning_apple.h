// Tuning for Apple GPUs: the shape of a threadgroup. Shared with the host.
//
// A thread's part of a tile is a multiple of 16 bytes of any dtype, so that it
// can be moved by vectors. All of a threadgroup's memory is at most 32 KiB.
#pragma once

// Nothing says that threadgroups go on while others wait for them.
#define UPSWEEP_THREE_PASSES

namespace upsweep {

enum : uint32_t {
  kThreads = 256,   // of a threadgroup; a power of two
  kItemBytes = 64,  // of a thread's part of a tile, at most, and
  kMaxItems = 16,   // its elements, at most
  kRowBytes = 128,  // of threadgroup memory, which are next to each other
};

// Elements of a thread's part of a tile.
constexpr uint32_t items(uint32_t element_size) {
  return kItemBytes / element_size < kMaxItems ? kItemBytes / element_size
                                               : kMaxItems;
}

}  // namespace upsweep
