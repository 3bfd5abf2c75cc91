// ResetScan: scans in which lines start again where a flag says so. Lanes do
// not wait for each other, so they start again on their own.
//
// A line is cut into stripes, one for each lane, which start from the identity
// as if there were a reset. A loop then corrects each up to its first reset,
// from the stripe before.
#pragma once

#include "lane_group.h"

namespace upsweep {
namespace {

template <class M>
struct ResetScan {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  static constexpr int n = kLanes<Value>;

  // Up to kRows rows of up to n lines. Flags are as far apart as results.
  static void lines(const Tile& tile, const uint8_t* flags, Carry& carry,
                    bool inclusive) {
    if constexpr (L::kHasStripes) {
      if (tile.width == n && tile.out_lane == 1) {
        Carry before = carry;
        if (LaneGroup<M>::scan_with_resets(tile, flags, tile.out_step, carry,
                                           inclusive)) {
          return;
        }
        carry = before;
      }
    }
    Prefix r[n];
    for (int i = 0; i < tile.width; ++i) r[i] = carry.get(i);
    for (int64_t s = 0; s < tile.length; ++s) {
      for (int i = 0; i < tile.width; ++i) {
        step(tile, flags, s, i, r[i], inclusive);
      }
    }
    for (int i = 0; i < tile.width; ++i) carry.set(i, r[i]);
  }

  // One line of any length.
  static void line(const Tile& tile, const uint8_t* flags, Carry& carry,
                   bool inclusive) {
    Prefix r = carry.get(0);
    int64_t done = 0;
    if constexpr (L::kHasStripes) {
      constexpr int64_t side = kSide<uint8_t>;
      for (;;) {
        int64_t length =
            std::min(kStripe, (tile.length - done) / n / side * side);
        if (length < kRows) break;
        Tile block = tile;
        block.in = in(tile) + done * tile.in_step;
        block.out = out(tile) + done * tile.out_step;
        block.length = length;
        scan_block(block, flags + done * tile.out_step, r, inclusive);
        done += length * n;
      }
    }
    loop(tile, flags, done, tile.length, r, inclusive);
    carry.set(0, r);
  }

 private:
  // Elements of a stripe: an odd number of cache lines, so that the lanes do
  // not share places in the cache.
  static constexpr int64_t kStripe = 1024 + 64 / int64_t{sizeof(Value)};

  static const Value* in(const Tile& tile) {
    return static_cast<const Value*>(tile.in);
  }
  static Value* out(const Tile& tile) { return static_cast<Value*>(tile.out); }

  // n stripes of tile.length elements.
  static void scan_block(const Tile& tile, const uint8_t* flags, Prefix& r,
                         bool inclusive) {
    const int64_t length = tile.length;
    Carry ends;
    if (!scan_stripes(tile, flags, ends, inclusive)) {
      return loop(tile, flags, 0, n * length, r, inclusive);
    }
    for (int l = 0; l < n; ++l) {
      int64_t from = l * length, to = from + length;
      int64_t first = first_flag(flags, tile.out_step, from, to);
      loop(tile, flags, from, first, r, inclusive);
      if (first < to) r = ends.get(l);
    }
  }

  // All stripes from the identity. Returns false if one left the range.
  static bool scan_stripes(const Tile& tile, const uint8_t* flags, Carry& ends,
                           bool inclusive) {
    for (int l = 0; l < n; ++l) ends.set(l, M::initial());
    Tile rows = tile;
    rows.width = n;
    rows.in_lane = tile.length * tile.in_step;
    rows.out_lane = tile.length * tile.out_step;
    for (int64_t row = 0; row < tile.length; row += kRows) {
      rows.length = std::min<int64_t>(kRows, tile.length - row);
      rows.in = in(tile) + row * tile.in_step;
      rows.out = out(tile) + row * tile.out_step;
      alignas(64) uint8_t of_rows[kRows * kLanes<uint8_t>];
      gather(flags + row * tile.out_step, tile.out_step, rows.out_lane, n,
             static_cast<int>(rows.length), of_rows);
      if (!LaneGroup<M>::scan_with_resets(rows, of_rows, kLanes<uint8_t>, ends,
                                          inclusive)) {
        return false;
      }
    }
    return true;
  }

  static int64_t first_flag(const uint8_t* flags, int64_t step, int64_t from,
                            int64_t to) {
    while (from < to && !flags[from * step]) ++from;
    return from;
  }

  static void loop(const Tile& tile, const uint8_t* flags, int64_t from,
                   int64_t to, Prefix& r, bool inclusive) {
    for (int64_t s = from; s < to; ++s) step(tile, flags, s, 0, r, inclusive);
  }

  // Element s of line i.
  static void step(const Tile& tile, const uint8_t* flags, int64_t s, int i,
                   Prefix& r, bool inclusive) {
    const Keys<M> keys(tile.key_mask);
    int64_t to = s * tile.out_step + i * tile.out_lane;
    if (flags[to]) r = M::initial();
    Value x = keys.of(in(tile)[s * tile.in_step + i * tile.in_lane]);
    if (inclusive) {
      out(tile)[to] = keys.element(M::advance(r, x));
    } else {
      out(tile)[to] = keys.element(M::value(r));
      M::advance(r, x);
    }
  }
};

}  // namespace
}  // namespace upsweep
