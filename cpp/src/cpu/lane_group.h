// LaneGroup: neighbouring lines, one in each lane, scanned or reduced side by
// side. No lane waits for another, and no combination is computed twice.
//
//   columns  the lines are neighbours in memory: rows are loaded directly
//   lines    the lines run along memory: registers transpose them both ways
//   others   go through a block in the first-level cache
#pragma once

#include <bit>
#include <cstdlib>

#include "kernels.h"
#include "keys.h"
#include "lane_scanners.h"
#include "streaming_store.h"
#include "transpose.h"

namespace upsweep {
namespace {

// Brings memory that will be read soon into the second-level cache. The address
// is a hint and may lie beyond the array.
inline void prefetch(uintptr_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}

// The same for memory that will be written.
inline void prefetch_results(uintptr_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), 1, 2);
}

// Rows at once of the widest panel of columns.
constexpr int64_t kPanelRows = 8;

template <class M>
struct LaneGroup {
  using Value = typename M::Value;
  using U = Bits<Value>;
  using Row = Pack<U>;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  static constexpr int n = kLanes<Value>;
  static constexpr int kPacks = n / kPack<Value>;

  // Rows of columns to scan at once: few enough to walk memory in order, many
  // enough to pay for starting a scanner.
  static int64_t rows_at_once(int64_t width) {
    return std::clamp<int64_t>(
        kPanelRows * kPanelBytes / int64_t{sizeof(U)} / width, kPanelRows,
        kRows);
  }

  // Scans up to kRows rows and carries the lines over them. Tries the fast path
  // first if that is promising, and repeats the rows on the exact path where a
  // lane left the range. Returns whether no line left it. Results go through
  // `store_buffer` unless it is null.
  static bool scan(const Tile& tile, Carry& carry, bool inclusive,
                   FastAttempts& attempts,
                   StreamingStoreBuffer<U>* store_buffer) {
    if constexpr (std::is_same_v<typename L::Fast, typename L::Exact>) {
      return scan_fast(tile, carry, inclusive, store_buffer);
    } else {
      if constexpr (requires { L::are_saturated(carry); }) {
        if (L::are_saturated(carry)) {
          return scan_fast(tile, carry, inclusive, store_buffer);
        }
      }
      if (attempts.is_next_promising()) {
        Carry before = carry;
        bool good = scan_fast(tile, carry, inclusive, store_buffer);
        attempts.record(good);
        if (good) return true;
        carry = before;
      }
      using Exact = typename L::Exact;
      return are_columns(tile)
                 ? scan_columns<Exact>(tile, carry, inclusive)
                 : scan_blocks<Exact>(tile, carry, inclusive, store_buffer);
    }
  }

  // Scans up to kRows rows of all lanes on the fast path. Lanes start again
  // where the flag of an element is 1; rows of flags are flag_step apart.
  // Returns false if a lane left the range: then all of it is wrong, and the
  // carry, too.
  static bool scan_with_resets(const Tile& tile, const uint8_t* flags,
                               int64_t flag_step, Carry& carry,
                               bool inclusive) {
    alignas(64) U block[kRows * n];
    const U* from = in(tile);
    U* to = out(tile);
    int64_t from_step = tile.in_step, to_step = tile.out_step;
    auto rows = static_cast<int>(tile.length);
    bool columns = tile.in_lane == 1 && tile.out_lane == 1;
    if (!columns) {
      gather(from, from_step, tile.in_lane, n, rows, block);
      from = to = block;
      from_step = to_step = n;
    }
    LaneScanners<M, typename L::Fast> scanners(carry, tile);
    for (int s = 0; s < rows; ++s) {
      if (columns) {
        prefetch(address(from) + bytes(rows * from_step));
      } else {
        // A piece of what a lane has next.
        constexpr int pieces = kRows / n;
        prefetch(address(in(tile)) +
                 bytes(s / pieces * tile.in_lane +
                       (rows + s % pieces * n) * tile.in_step));
      }
      if (any_flag(flags)) scanners.reset(flags);
      scanners.step(from, to, inclusive);
      from += from_step;
      to += to_step;
      flags += flag_step;
    }
    if (!scanners.finish(carry)) return false;
    if (!columns) {
      scatter(block, out(tile), tile.out_step, tile.out_lane, n, rows);
    }
    return true;
  }

  // Calls take_row with each pack of each row, and the pack's index.
  template <class Fn>
  static void each_row(const Tile& tile, const Fn& take_row) {
    const U* from = in(tile);
    const Keys<M> keys(tile.key_mask);
    auto fn = [&](const Row& row, int pack)
                  UPSWEEP_INLINE { take_row(keys.of(row), pack); };
    int64_t s = 0;
    if (tile.width == n && tile.in_lane == 1) {
      // Rows that repeat, with a step of 0, are in the cache already.
      int64_t apart = std::max<int64_t>(std::abs(tile.in_step), 1);
      int64_t far = rows_at_once(apart) * tile.in_step;
      for (; s < tile.length; ++s) {
        prefetch(address(from) + bytes(s * tile.in_step + far));
        each_pack(from + s * tile.in_step, fn);
      }
    } else if (tile.width == n && tile.in_step == 1) {
      s = each_row_of(Lines<const U, 1>{from, tile.in_lane}, tile.length, fn);
    } else if (tile.width == n && tile.in_step == -1) {
      s = each_row_of(Lines<const U, -1>{from, tile.in_lane}, tile.length, fn);
    }
    U row[n] = {};
    for (; s < tile.length; ++s) {
      gather(from + s * tile.in_step, 0, tile.in_lane,
             static_cast<int>(tile.width), 1, row);
      each_pack(row, fn);
    }
  }

 private:
  // Where the results of n lines go: the first result, and the distance from
  // line to line.
  struct Results {
    U* first;
    int64_t lane;
  };

  template <class Fn>
  UPSWEEP_INLINE static void each_pack(const U* row, const Fn& fn) {
    unrolled<kPacks>(
        [&](int p) UPSWEEP_INLINE { fn(Row::load(row + p * kPack<U>), p); });
  }

  // Covers the rows of whole squares and returns their number.
  template <int step, class Fn>
  static int64_t each_row_of(const Lines<const U, step>& lines, int64_t rows,
                             const Fn& fn) {
    int64_t s = 0;
    for (; s + kSide<U> <= rows; s += kSide<U>) {
      unrolled<kPacks>([&](int p) UPSWEEP_INLINE {
        Row block[kSide<U>];
        lines.load(s, p * kPack<U>, block);
        for (const Row& row : block) fn(row, p);
      });
    }
    return s;
  }

  // Whether the flag of any lane is set.
  UPSWEEP_INLINE static bool any_flag(const uint8_t* flags) {
    uint64_t all = 0;
    for (int i = 0; i < n; i += 8) {
      uint64_t eight;
      std::memcpy(&eight, flags + i, sizeof eight);
      all |= eight;
    }
    return all != 0;
  }

  static uintptr_t address(const U* at) {
    return reinterpret_cast<uintptr_t>(at);
  }
  static uintptr_t bytes(int64_t elements) {
    return static_cast<uintptr_t>(elements) * sizeof(U);
  }

  static const U* in(const Tile& tile) {
    return static_cast<const U*>(tile.in);
  }
  static U* out(const Tile& tile) { return static_cast<U*>(tile.out); }
  static bool is_along(int64_t step) { return step == 1 || step == -1; }

  static bool scan_fast(const Tile& tile, Carry& carry, bool inclusive,
                        StreamingStoreBuffer<U>* store_buffer) {
    if (are_columns(tile)) {
      return scan_columns<typename L::Fast>(tile, carry, inclusive);
    }
    if (tile.width == n && tile.length % kSide<U> == 0 &&
        tile.in_step == tile.out_step && is_along(tile.in_step)) {
      Results to = results_of(tile, store_buffer);
      bool is_close = tile.in_lane == kRows * tile.in_step &&
                      to.lane == tile.in_lane && tile.length == kRows;
      auto scan_lines_of =
          tile.in_step > 0
              ? (is_close ? scan_lines<1, kRows> : scan_lines<1, 0>)
              : (is_close ? scan_lines<-1, -kRows> : scan_lines<-1, 0>);
      bool good = scan_lines_of(tile, to, carry, inclusive, store_buffer);
      if (good && store_buffer) send(tile, *store_buffer);
      return good;
    }
    return scan_blocks<typename L::Fast>(tile, carry, inclusive, store_buffer);
  }

  static bool are_columns(const Tile& tile) {
    return tile.width == n && tile.in_lane == 1 && tile.out_lane == 1;
  }

  template <class LaneScanner>
  static bool scan_columns(const Tile& tile, Carry& carry, bool inclusive) {
    // Direct calls: a scanner that is not inlined loses its registers.
    if (tile.in_cache) {
      return inclusive ? scan_columns<LaneScanner, true, true>(tile, carry)
                       : scan_columns<LaneScanner, false, true>(tile, carry);
    }
    return inclusive ? scan_columns<LaneScanner, true, false>(tile, carry)
                     : scan_columns<LaneScanner, false, false>(tile, carry);
  }

  // The flags are template arguments because a row does too little work to hide
  // branches.
  template <class LaneScanner, bool inclusive, bool in_cache>
  static bool scan_columns(const Tile& tile, Carry& carry) {
    LaneScanners<M, LaneScanner> scanners(carry, tile);
    const U* from = in(tile);
    U* to = out(tile);
    for (int p = 0; p < kPacks; ++p) {
      if (!scanners.suits(Row::load(from + p * kPack<U>), p)) return false;
    }
    for (int64_t s = 0; s < tile.length; ++s) {
      if (s % kCheckedRows == 0 && !scanners.is_good()) return false;
      if (!in_cache) {
        prefetch(address(from) + bytes(tile.length * tile.in_step));
        prefetch_results(address(to) + bytes(tile.length * tile.out_step));
      }
      if (tile.streaming) {
        alignas(64) U row[n];
        scanners.step(from, row, inclusive);
        stream(to, Pack<U, n>::load(row));
      } else {
        scanners.step(from, to, inclusive);
      }
      from += tile.in_step;
      to += tile.out_step;
    }
    return scanners.finish(carry);
  }

  // Scans lines of whole squares; `distance` as in Lines.
  template <int step, int distance>
  static bool scan_lines(const Tile& tile, const Results& results, Carry& carry,
                         bool inclusive,
                         StreamingStoreBuffer<U>* store_buffer) {
    constexpr int m = kSide<U>;
    Lines<const U, step, distance> from(in(tile), tile.in_lane);
    Lines<U, step, distance> to(results.first, results.lane);
    LaneScanners<M, typename L::FastLines> scanners(carry, tile);
    for (int p = 0; p < kPacks; ++p) {
      Row rows[m];
      from.load(0, p * kPack<U>, rows);
      if (!scanners.suits(rows[0], p)) return false;
    }
    bool is_dense = tile.out_lane == tile.length * tile.out_step;
    for (int64_t s = 0; s < tile.length; s += m) {
      if (s % kCheckedRows == 0 && !scanners.is_good()) return false;
      prefetch_next(tile, s * n, m * n);
      if (store_buffer) {
        store_buffer->template write<m * n>();
      } else if (is_dense) {
        prefetch_block_after(tile, s * n, m * n);
      }
      unrolled<kPacks>([&](int p) UPSWEEP_INLINE {
        Row rows[m];
        from.load(s, p * kPack<U>, rows);
        scanners.step(rows, p, inclusive);
        to.store(s, p * kPack<U>, rows);
      });
    }
    return scanners.finish(carry);
  }

  // Prefetches a piece of the thread's next tile.
  UPSWEEP_INLINE static void prefetch_next(const Tile& tile, int64_t first,
                                           int n) {
    for (int i = 0; i < n; i += 64 / int{sizeof(U)}) {
      prefetch(tile.next_read + bytes(first + i));
    }
  }

  // Prefetches a piece of where the results of the block after a tile go, if
  // that follows it.
  UPSWEEP_INLINE static void prefetch_block_after(const Tile& tile,
                                                  int64_t first, int count) {
    int64_t after = n * tile.length + first;
    for (int i = 0; i < count; i += 64 / int{sizeof(U)}) {
      prefetch_results(address(out(tile)) + bytes((after + i) * tile.out_step));
    }
  }

  // The tile's own place, or the buffer, line after line.
  static Results results_of(const Tile& tile,
                            StreamingStoreBuffer<U>* store_buffer) {
    if (!store_buffer) return {out(tile), tile.out_lane};
    int64_t last_line = tile.out_lane < 0 ? n - 1 : 0;
    int64_t last_element = tile.out_step < 0 ? tile.length - 1 : 0;
    return {store_buffer->buffer() + last_line * tile.length + last_element,
            tile.out_lane < 0 ? -tile.length : tile.length};
  }

  // Sends buffered results to memory line by line: stores to many lines at once
  // would each fill cache lines piece by piece.
  static void send(const Tile& tile, StreamingStoreBuffer<U>& store_buffer) {
    int64_t distance = std::abs(tile.out_lane);
    U* to = out(tile) - (tile.out_lane < 0 ? (n - 1) * distance : 0) -
            (tile.out_step < 0 ? tile.length - 1 : 0);
    if (distance == tile.length) return store_buffer.send(to, tile.length * n);
    for (int i = 0; i < n; ++i) {
      stream_copy(to + i * distance, store_buffer.buffer() + i * tile.length,
                  tile.length);
    }
  }

  template <class LaneScanner>
  static bool scan_blocks(const Tile& tile, Carry& carry, bool inclusive,
                          StreamingStoreBuffer<U>* store_buffer) {
    alignas(64) U block[kRows * n];
    auto lanes = static_cast<int>(tile.width);
    auto rows = static_cast<int>(tile.length);
    if (lanes < n) {
      // Lanes without a line scan a value that changes nothing.
      std::fill_n(block, rows * n,
                  std::bit_cast<U>(
                      Keys<M>(tile.key_mask).element(M::value(M::initial()))));
    }
    gather(in(tile), tile.in_step, tile.in_lane, lanes, rows, block);
    LaneScanners<M, LaneScanner> scanners(carry, tile);
    for (int s = 0; s < rows; ++s) {
      prefetch_next(tile, s * n, n);
      scanners.step(block + s * n, block + s * n, inclusive);
    }
    bool good = scanners.finish(carry);
    if (lanes < n || !is_along(tile.out_step)) store_buffer = nullptr;
    Results to = results_of(tile, store_buffer);
    scatter(block, to.first, tile.out_step, to.lane, lanes, rows);
    if (store_buffer) send(tile, *store_buffer);
    return good;
  }
};

}  // namespace
}  // namespace upsweep
