// FloatMode: arithmetic as the results of scans are defined in.
#pragma once

#include <cstdint>

namespace upsweep {

/// While it lives, its thread rounds to nearest and keeps subnormal numbers,
/// whatever the application or another library has set. Scans see to this
/// themselves; an application needs it only where it computes with subnormal
/// results itself.
class FloatMode {
 public:
  FloatMode();
  ~FloatMode();
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  uint64_t before_;
};

}  // namespace upsweep
