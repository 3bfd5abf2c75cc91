// LaneScanners: the lane scanners (lanes.h) of a whole row of a LaneGroup, and
// when to try the fast ones.
#pragma once

#include "keys.h"
#include "lanes.h"
#include "transpose.h"

namespace upsweep {
namespace {

// Rows after which the fast path gives up: near an end of the range it would
// compute with subnormal numbers, which are slow.
constexpr int64_t kCheckedRows = 8;

// Where the fast path has failed, it is likely to fail again: the more often it
// has failed in a row, the more groups go without it. Bits depend on this, so
// that each tile begins anew.
class FastAttempts {
 public:
  bool is_next_promising() {
    if (left_out_ == 0) return true;
    --left_out_;
    return false;
  }
  void record(bool good) {
    next_ = good ? 1 : std::min(2 * next_, 64);
    left_out_ = good ? 0 : next_;
  }

 private:
  int left_out_ = 0, next_ = 1;
};

// A scanner for each pack of a row.
template <class M, class LaneScanner>
struct LaneScanners {
  using Value = typename M::Value;
  using U = Bits<Value>;
  using Row = Pack<U>;
  using Carry = typename Lanes<M>::Carry;
  static constexpr int kPacks = kLanes<Value> / kPack<Value>;
  static constexpr bool kMayFail =
      requires(const LaneScanner& scanner) { scanner.is_good(); };
  LaneScanner of[kPacks];
  Row before[kPacks];  // results of the row before
  Keys<M> keys;

  UPSWEEP_INLINE LaneScanners(const Carry& carry, const Tile& tile)
      : LaneScanners(carry, tile, std::make_integer_sequence<int, kPacks>()) {
    for (int p = 0; p < kPacks; ++p) before[p] = of[p].results();
  }

  UPSWEEP_INLINE void reset(const uint8_t* flags) {
    unrolled<kPacks>([&](int p) UPSWEEP_INLINE {
      of[p].reset(flags + p * kPack<U>);
      before[p] = of[p].results();
    });
  }
  UPSWEEP_INLINE void step(const U* from, U* to, bool inclusive) {
    unrolled<kPacks>([&](int p) UPSWEEP_INLINE {
      Row row = of[p].step(keys.of(Row::load(from + p * kPack<U>)));
      keys.element(inclusive ? row : before[p]).store(to + p * kPack<U>);
      before[p] = row;
    });
  }
  // Turns kSide rows of elements into rows of results.
  UPSWEEP_INLINE void step(Row* rows, int p, bool inclusive) {
    constexpr int m = kSide<U>;
    for (int i = 0; i < m; ++i) rows[i] = of[p].step(keys.of(rows[i]));
    if (!inclusive) {
      Row last = rows[m - 1];
      for (int i = m - 1; i > 0; --i) rows[i] = rows[i - 1];
      rows[0] = before[p];
      before[p] = last;
    }
    for (int i = 0; i < m; ++i) rows[i] = keys.element(rows[i]);
  }
  // Whether it makes sense to go on, and with these elements of a pack.
  UPSWEEP_INLINE bool is_good() const {
    bool good = true;
    if constexpr (kMayFail) {
      for (int p = 0; p < kPacks; ++p) good &= of[p].is_good();
    }
    return good;
  }
  UPSWEEP_INLINE bool suits(const Row& row, int p) const {
    if constexpr (kMayFail) return of[p].suits(keys.of(row));
    return true;
  }
  UPSWEEP_INLINE bool finish(Carry& carry) const {
    bool good = true;
    for (int p = 0; p < kPacks; ++p) {
      good &= of[p].finish(carry, p * kPack<U>);
    }
    return good;
  }

 private:
  template <int... p>
  UPSWEEP_INLINE LaneScanners(const Carry& carry, const Tile& tile,
                              std::integer_sequence<int, p...>)
      : of{LaneScanner(carry, p * kPack<U>)...}, keys(tile.key_mask) {}
};

}  // namespace
}  // namespace upsweep
