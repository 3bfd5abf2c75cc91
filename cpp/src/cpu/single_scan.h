// SingleScan: the inclusive scan of lines of one element: what the operation
// makes of each element alone. Neighbouring lines are the lanes of a register,
// and no carry goes through memory.
#pragma once

#include "lane_scanners.h"

namespace upsweep {
namespace {

template <class M>
class SingleScan {
 public:
  using Value = typename M::Value;
  using U = Bits<Value>;
  using L = Lanes<M>;
  static constexpr int n = kLanes<Value>;

  static void scan(const void* in, void* out, int64_t count,
                   uint64_t key_mask) {
    const SingleScan scan(key_mask);
    auto* from = static_cast<const U*>(in);
    auto* to = static_cast<U*>(out);
    int64_t i = 0;
    for (; i + n <= count; i += n) scan.row(from + i, to + i);
    if (i == count) return;
    auto rest = static_cast<size_t>(count - i) * sizeof(U);
    alignas(64) U row[n] = {}, results[n];
    std::memcpy(row, from + i, rest);
    scan.row(row, results);
    std::memcpy(to + i, results, rest);
  }

 private:
  using Carry = typename L::Carry;

  explicit SingleScan(uint64_t key_mask) : tile_{} {
    tile_.key_mask = key_mask;
    for (int i = 0; i < n; ++i) start_.set(i, M::initial());
  }

  UPSWEEP_INLINE void row(const U* from, U* to) const {
    if (row_by<typename L::Fast>(from, to)) return;
    if constexpr (!std::is_same_v<typename L::Fast, typename L::Exact>) {
      row_by<typename L::Exact>(from, to);
    }
  }

  template <class LaneScanner>
  UPSWEEP_INLINE bool row_by(const U* from, U* to) const {
    LaneScanners<M, LaneScanner> scanners(start_, tile_);
    scanners.step(from, to, true);
    Carry after;
    return scanners.finish(after);
  }

  Tile tile_;
  Carry start_;
};

}  // namespace
}  // namespace upsweep
