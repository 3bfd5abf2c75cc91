// FloatMode: the floating-point mode in which results of scans are defined.
#pragma once

#include <cstdint>

namespace upsweep {

/// While it lives, its thread rounds to nearest and keeps subnormal numbers,
/// whatever mode the application or another library has set. Scans set it; an
/// application needs it only to compute with subnormal results.
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
