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
  // Floats, and the parts of complex numbers. An operation on the identity and
  // a number that is finite and not zero gives the number; but imaginary parts
  // of logarithms are periodic.
  static constexpr bool kIsComplex = std::is_same_v<Value, complex64_t>;
  using Component = std::conditional_t<kIsComplex, float, Value>;
  static constexpr bool kKeepsOrdinary =
      is_real<Component> && !std::is_same_v<M, LogAddExp<complex64_t>>;

  explicit SingleScan(uint64_t key_mask) : tile_{} {
    tile_.key_mask = key_mask;
    for (int i = 0; i < n; ++i) start_.set(i, M::initial());
  }

  UPSWEEP_INLINE void row(const U* from, U* to) const {
    if constexpr (kKeepsOrdinary) {
      if (are_ordinary(from)) {
        std::memcpy(to, from, sizeof(U) * n);
        return;
      }
    }
    if (row_by<typename L::Fast>(from, to)) return;
    if constexpr (!std::is_same_v<typename L::Fast, typename L::Exact>) {
      row_by<typename L::Exact>(from, to);
    }
  }

  UPSWEEP_INLINE static bool are_ordinary(const U* from) {
    using Bits = upsweep::Bits<Component>;
    using Row = Pack<Bits>;
    constexpr int count = n * int{sizeof(U)} / int{sizeof(Component)};
    constexpr Bits kMagnitude = static_cast<Bits>(~Bits{0}) / 2;
    auto infinity = std::bit_cast<Bits>(narrow<Component>(kInfinity));
    bool all = true;
    for (int i = 0; i < count; i += kPack<Component>) {
      auto x = Row::load(reinterpret_cast<const Bits*>(from) + i);
      auto below = (x & Row::all(kMagnitude)) - Row::all(Bits{1});
      all &= !any(below >= Row::all(static_cast<Bits>(infinity - 1)));
    }
    return all;
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
