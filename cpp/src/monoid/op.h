// The five operators a scan can take, and the names of their scans.
#pragma once

namespace upsweep {

enum class Op { prod, sum, max, min, logaddexp };

inline const char* scan_name(Op op) {
  constexpr const char* names[] = {"cumprod", "cumsum", "cummax", "cummin",
                                   "logcumsumexp"};
  return names[static_cast<int>(op)];
}

}  // namespace upsweep
