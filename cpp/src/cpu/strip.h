// Strip: as many neighbouring lines as there are lanes, or fewer, scanned or
// folded side by side, so that no lane ever waits for another and no
// combination is done twice.
//
//   columns    lanes are neighbours in memory, and rows are loaded as they lie
//   lines      that are walked along memory are transposed, in registers, on
//              their way in and out
//   others     go through blocks in the first-level cache
#pragma once

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "kernels.h"
#include "lanes.h"
#include "transpose.h"

namespace upsweep {
namespace {

// Rows that one runner takes: a failure costs no more than that many again.
constexpr int kRows = 64;

// Asks for memory that will be needed soon, in the second-level cache.
inline void prefetch(const void* at) { __builtin_prefetch(at, 0, 2); }

// Copies past the cache, but for the ends of the range.
template <class U>
void stream_copy(U* to, const U* from, int64_t n) {
#if defined(__x86_64__)
  constexpr int64_t line = 64 / sizeof(U);
  auto misplaced =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) % 64 / sizeof(U));
  int64_t head = std::min(n, misplaced ? line - misplaced : 0);
  int64_t body = (n - head) / line * line;
  std::memcpy(to, from, static_cast<size_t>(head) * sizeof(U));
  for (int64_t i = head; i < head + body; i += line) {
    stream(to + i, Pack<U, line>::load(from + i));
  }
  int64_t done = head + body;
  std::memcpy(to + done, from + done,
              static_cast<size_t>(n - done) * sizeof(U));
#else
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
#endif
}

template <class M>
struct Strip {
  using Value = typename M::Value;
  using U = Bits<Value>;
  using Row = Pack<U>;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  static constexpr int n = kLanes<Value>;

  // Takes the carry over the tile; returns whether no line died.
  template <bool inclusive>
  static bool scan(const Tile& tile, Carry& carry) {
    bool alive = true;
    for (int64_t s = 0; s < tile.length; s += kRows) {
      Tile rows = tile;
      rows.in = in(tile) + s * tile.in_step;
      rows.out = out(tile) + s * tile.out_step;
      rows.length = std::min<int64_t>(kRows, tile.length - s);
      alive &= scan_rows<inclusive>(rows, carry);
    }
    return alive;
  }

  // As scan, of up to kRows rows, where every line is dead.
  template <bool inclusive>
  static void scan_dead(const Tile& tile, Carry& carry) {
    using Runner = typename L::Mixed;
    if (tile.width == n && is_along(tile.in_step) &&
        tile.in_step == tile.out_step) {
      scan_lines<Runner, inclusive>(tile, carry);
    } else {
      scan_blocks<Runner, inclusive>(tile, carry);
    }
  }

  // Calls fn with each row.
  template <class Fn>
  static void each_row(const Tile& tile, const Fn& fn) {
    const U* from = in(tile);
    int64_t s = 0;
    if (tile.width == n && tile.in_lane == 1) {
      for (; s < tile.length; ++s) {
        prefetch(from + (s + 16) * tile.in_step);
        fn(Row::load(from + s * tile.in_step));
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
      fn(Row::load(row));
    }
  }

 private:
  // Of whole blocks; returns how many rows these are.
  template <int step, class Fn>
  static int64_t each_row_of(const Lines<const U, step>& lines, int64_t rows,
                             const Fn& fn) {
    int64_t s = 0;
    for (; s + kSide<U> <= rows; s += kSide<U>) {
      Row block[kSide<U>];
      lines.load(s, block);
      for (const Row& row : block) fn(row);
    }
    return s;
  }

  static const U* in(const Tile& tile) {
    return static_cast<const U*>(tile.in);
  }
  static U* out(const Tile& tile) { return static_cast<U*>(tile.out); }
  static bool is_along(int64_t step) { return step == 1 || step == -1; }

  template <bool inclusive>
  static bool scan_rows(const Tile& tile, Carry& carry) {
    Carry before = carry;
    if (tile.width == n && tile.in_lane == 1 && tile.out_lane == 1) {
      if (scan_columns<typename L::Steady, inclusive>(tile, carry)) return true;
    } else if (tile.width == n && is_along(tile.in_step) &&
               tile.in_step == tile.out_step) {
      if (scan_lines<typename L::Calm, inclusive>(tile, carry)) return true;
    } else if (scan_blocks<typename L::Steady, inclusive>(tile, carry)) {
      return true;
    }
    using L_ = L;
    if constexpr (!std::is_same_v<typename L_::Mixed, typename L_::Careful>) {
      carry = before;
      if (scan_blocks<typename L::Mixed, inclusive>(tile, carry)) return true;
    }
    if constexpr (!std::is_same_v<typename L_::Steady, typename L_::Careful>) {
      carry = before;
      return scan_blocks<typename L::Careful, inclusive>(tile, carry);
    }
    return false;
  }

  template <class Runner, bool inclusive>
  static bool scan_columns(const Tile& tile, Carry& carry) {
    Runner runner(carry);
    const U* from = in(tile);
    U* to = out(tile);
    for (int64_t s = 0; s < tile.length; ++s) {
      prefetch(from + 16 * tile.in_step);
      runner.template step<inclusive>(Row::load(from)).store(to);
      from += tile.in_step;
      to += tile.out_step;
    }
    return runner.finish(carry);
  }

  template <class Runner, bool inclusive>
  static bool scan_lines(const Tile& tile, Carry& carry) {
    if (!tile.streaming) return scan_transposed<Runner, inclusive>(tile, carry);
    alignas(64) U buffer[kRows * n];
    bool good =
        scan_transposed<Runner, inclusive>(buffered(tile, buffer), carry);
    stream_lines(tile, buffer);
    return good;
  }

  // The same lines of results in a buffer, one close behind the other.
  static Tile buffered(const Tile& tile, U* buffer) {
    Tile other = tile;
    int64_t last_line = tile.out_lane < 0 ? n - 1 : 0;
    int64_t last_element = tile.out_step < 0 ? tile.length - 1 : 0;
    other.out = buffer + last_line * tile.length + last_element;
    other.out_lane = tile.out_lane < 0 ? -tile.length : tile.length;
    return other;
  }

  // Writes them to where they belong, past the cache: in order, because many
  // streams of stores would each fill their cache lines piece by piece.
  static void stream_lines(const Tile& tile, const U* buffer) {
    int64_t distance = std::abs(tile.out_lane);
    U* to = out(tile) - (tile.out_lane < 0 ? (n - 1) * distance : 0) -
            (tile.out_step < 0 ? tile.length - 1 : 0);
    int64_t pieces = distance == tile.length ? 1 : n;
    int64_t piece = tile.length * n / pieces;
    for (int64_t i = 0; i < pieces; ++i) {
      stream_copy(to + i * distance, buffer + i * piece, piece);
    }
  }

  template <class Runner, bool inclusive>
  static bool scan_transposed(const Tile& tile, Carry& carry) {
    return tile.in_step > 0
               ? transpose_scan<Runner, inclusive, 1>(tile, carry)
               : transpose_scan<Runner, inclusive, -1>(tile, carry);
  }

  template <class Runner, bool inclusive, int step>
  static bool transpose_scan(const Tile& tile, Carry& carry) {
    constexpr int m = kSide<U>;
    Runner runner(carry);
    Lines<const U, step> from{in(tile), tile.in_lane};
    Lines<U, step> to{out(tile), tile.out_lane};
    int64_t s = 0;
    for (; s + m <= tile.length; s += m) {
      if (s % (4 * m) == 0) {
        for (int l = 0; l < n; ++l) prefetch(from.at(s, l) + tile.ahead);
      }
      Row rows[m];
      from.load(s, rows);
      for (Row& row : rows) row = runner.template step<inclusive>(row);
      to.store(s, rows);
    }
    for (; s < tile.length; ++s) {
      U row[n];
      for (int l = 0; l < n; ++l) row[l] = *from.at(s, l);
      runner.template step<inclusive>(Row::load(row)).store(row);
      for (int l = 0; l < n; ++l) *to.at(s, l) = row[l];
    }
    return runner.finish(carry);
  }

  template <class Runner, bool inclusive>
  static bool scan_blocks(const Tile& tile, Carry& carry) {
    alignas(64) U block[kRows * n];
    auto lanes = static_cast<int>(tile.width);
    auto rows = static_cast<int>(tile.length);
    if (lanes < n) {
      // Lanes without a line stay where they start.
      std::fill_n(block, rows * n, std::bit_cast<U>(M::value(M::start())));
    }
    gather(in(tile), tile.in_step, tile.in_lane, lanes, rows, block);
    Runner runner(carry);
    for (int s = 0; s < rows; ++s) {
      U* row = block + s * n;
      runner.template step<inclusive>(Row::load(row)).store(row);
    }
    bool good = runner.finish(carry);
    if (tile.streaming && lanes == n && is_along(tile.out_step)) {
      alignas(64) U buffer[kRows * n];
      Tile lines = buffered(tile, buffer);
      scatter(block, out(lines), lines.out_step, lines.out_lane, lanes, rows);
      stream_lines(tile, buffer);
    } else {
      scatter(block, out(tile), tile.out_step, tile.out_lane, lanes, rows);
    }
    return good;
  }
};

}  // namespace
}  // namespace upsweep
