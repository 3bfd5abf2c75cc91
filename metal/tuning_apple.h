// Tuning for Apple GPUs: the shape of a threadgroup. Shared with the host.
//
// A thread's items of a tile are a multiple of 16 bytes for any dtype, so that
// vectors can move them. All of a threadgroup's memory is at most 32 KiB.
#pragma once

// Metal does not guarantee that threadgroups progress while others wait for
// them.
#define UPSWEEP_THREE_PASSES

namespace upsweep {

enum : uint32_t {
  kThreads = 256,   // of a threadgroup; a power of two
  kItemBytes = 64,  // of a thread's items of a tile, at most
  kMaxItems = 16,   // of a thread in a tile, at most
};

// A thread's items of a tile.
constexpr uint32_t items(uint32_t element_size) {
  return kItemBytes / element_size < kMaxItems ? kItemBytes / element_size
                                               : kMaxItems;
}

}  // namespace upsweep
