// Tuning for tests: small threadgroups, so that short lines have many tiles.
#pragma once

#define UPSWEEP_LOOK_BACK
#define UPSWEEP_THREE_PASSES

namespace upsweep {

enum : uint32_t {
  kThreads = 64,
  kItemBytes = 16,
  kMaxItems = 16,
  kResident = 1
};

constexpr uint32_t items(uint32_t element_size) {
  return kItemBytes / element_size < kMaxItems ? kItemBytes / element_size
                                               : kMaxItems;
}

}  // namespace upsweep
