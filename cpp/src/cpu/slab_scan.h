// SlabScan: the lines of many slabs. Each lane takes one or more neighbouring
// slabs, which are one run of memory: squares of registers transpose the runs
// of all lanes into rows of lanes, in a block in the first-level cache. There
// the rows of each line are as far apart as in the slab, and lines are scanned
// as columns are. The way back is the same.
#pragma once

#include "lane_group.h"
#include "simd_lanes.h"

namespace upsweep {
namespace {

template <class M>
class SlabScan {
 public:
  using Value = typename M::Value;
  using U = Bits<Value>;
  using Carry = typename Lanes<M>::Carry;
  static constexpr int n = kLanes<Value>;

  static void scan(const SlabTile& tile, Carry* carry, bool inclusive) {
    SlabScan scan(tile, carry, inclusive);
    if (tile.starts_alike && tile.width == 1 && tile.out_slab == tile.length) {
      if (tile.length == 2) return scan.scan_short<2>();
      if constexpr (kPack<U> >= 4) {  // a register holds whole lines
        if (tile.length == 4) return scan.scan_short<4>();
      }
    }
    if (tile.per_lane > 1) return scan.scan_rows(0, tile.length);
    // Rows in pieces of about the same size.
    int64_t most = std::clamp<int64_t>(kRun / tile.width, 1, kRows);
    int64_t pieces = (tile.length + most - 1) / most;
    int64_t rows = (tile.length + pieces - 1) / pieces;
    for (int64_t row = 0; row < tile.length; row += rows) {
      scan.scan_rows(row, std::min(rows, tile.length - row));
    }
  }

 private:
  // Elements of one lane that are transposed at once.
  static constexpr int64_t kRun = kSlabBytes / int64_t{sizeof(U)} / n;

  SlabScan(const SlabTile& tile, Carry* carry, bool inclusive)
      : tile_(tile),
        carry_(carry),
        inclusive_(inclusive),
        lane_(tile.per_lane * tile.length * tile.width),
        lanes_((tile.slabs + tile.per_lane - 1) / tile.per_lane) {}

  // Some rows, in scan order, of each slab: all of them if a lane has several
  // slabs.
  void scan_rows(int64_t row, int64_t rows) {
    int64_t lowest = tile_.reverse ? tile_.length - row - rows : row;
    run_ = tile_.per_lane * rows * tile_.width;
    prefetch_next();
    load(static_cast<const U*>(tile_.in) + lowest * tile_.width);
    for (int64_t k = 0; k < tile_.per_lane * tile_.width; ++k) {
      tile_.starts_alike ? scan_alike(line(k, rows))
                         : scan_line(line(k, rows), carry_[k]);
    }
    store(static_cast<U*>(tile_.out) + lowest * tile_.width,
          rows * tile_.width);
  }

  // Line k of each lane's slabs.
  Tile line(int64_t k, int64_t rows) {
    int64_t slab = k / tile_.width, column = k % tile_.width;
    int64_t first = slab * rows + (tile_.reverse ? rows - 1 : 0);
    int64_t at = (first * tile_.width + column) * n;
    int64_t step = (tile_.reverse ? -n : n) * tile_.width;
    return {
        block_ + at,     results_ + at, rows,           n,   step, 1, step, 1,
        tile_.next_read, false,         tile_.key_mask, true};
  }

  void scan_line(const Tile& line, Carry& carry) {
    LaneGroup<M>::scan(line, carry, inclusive_, attempts_, nullptr);
  }

  // A line whose carry nobody needs afterwards: then the lane scanners stay in
  // registers.
  UPSWEEP_INLINE void scan_alike(const Tile& line) {
    using Fast = typename Lanes<M>::Fast;
    using Exact = typename Lanes<M>::Exact;
    if constexpr (!std::is_same_v<Fast, Exact>) {
      if (attempts_.is_next_promising()) {
        bool good = scan_alike_by<Fast>(line);
        attempts_.record(good);
        if (good) return;
      }
    }
    scan_alike_by<Exact>(line);
  }
  template <class LaneScanner>
  UPSWEEP_INLINE bool scan_alike_by(const Tile& line) const {
    return inclusive_ ? scan_alike_by<LaneScanner, true>(line)
                      : scan_alike_by<LaneScanner, false>(line);
  }
  template <class LaneScanner, bool inclusive>
  UPSWEEP_INLINE bool scan_alike_by(const Tile& line) const {
    LaneScanners<M, LaneScanner> scanners(*carry_, line);
    auto* from = static_cast<const U*>(line.in);
    auto* to = static_cast<U*>(line.out);
    for (int64_t i = 0; i < line.length; ++i) {
      scanners.step(from, to, inclusive);
      from += line.in_step;
      to += line.out_step;
    }
    Carry after;
    return scanners.finish(after);
  }

  // Lines of a few elements. The registers that n lines fill become rows of
  // lanes and lines again without a block.
  template <int length>
  void scan_short() {
    run_ = tile_.per_lane * length;
    prefetch_next();
    auto* from = static_cast<const U*>(tile_.in);
    auto* out = static_cast<U*>(tile_.out);
    U* to = tile_.streaming ? results_ : out;
    int64_t count = tile_.slabs * length, i = 0;
    for (; i + n * length <= count; i += n * length) {
      scan_lines<length>(from + i, to + i);
    }
    if (i < count) {
      std::fill_n(runs_, n * length, U{});
      copy(runs_, from + i, count - i);
      scan_lines<length>(runs_, block_);
      copy(to + i, block_, count - i);
    }
    if (tile_.streaming) copy_out(out, results_, count);
  }

  // n lines that follow each other.
  template <int length>
  UPSWEEP_INLINE void scan_lines(const U* from, U* to) {
    using Fast = typename Lanes<M>::Fast;
    using Exact = typename Lanes<M>::Exact;
    if constexpr (!std::is_same_v<Fast, Exact>) {
      if (attempts_.is_next_promising()) {
        bool good = scan_lines_by<Fast, length>(from, to);
        attempts_.record(good);
        if (good) return;
      }
    }
    scan_lines_by<Exact, length>(from, to);
  }
  template <class LaneScanner, int length>
  UPSWEEP_INLINE bool scan_lines_by(const U* from, U* to) const {
    auto scan =
        tile_.reverse
            ? (inclusive_ ? scan_registers<LaneScanner, length, true, true>
                          : scan_registers<LaneScanner, length, true, false>)
            : (inclusive_ ? scan_registers<LaneScanner, length, false, true>
                          : scan_registers<LaneScanner, length, false, false>);
    return scan(*carry_, tile_.key_mask, from, to);
  }
  template <class LaneScanner, int length, bool reverse, bool inclusive>
  static bool scan_registers(const Carry& carry, uint64_t key_mask,
                             const U* from, U* to) {
    using Row = Pack<U>;
    Tile tile{};
    tile.key_mask = key_mask;
    LaneScanners<M, LaneScanner> scanners(carry, tile);
    unrolled<n / kPack<U>>([&](int p) UPSWEEP_INLINE {
      Row rows[length];
      for (int i = 0; i < length; ++i) {
        rows[i] = Row::load(from + (p * length + i) * kPack<U>);
      }
      transpose_lines(rows);
      Row before = scanners.before[p];
      for (int i = 0; i < length; ++i) {
        Row& row = rows[reverse ? length - 1 - i : i];
        Row y = scanners.of[p].step(scanners.keys.of(row));
        row = scanners.keys.element(inclusive ? y : before);
        before = y;
      }
      transpose_lines(rows);
      for (int i = 0; i < length; ++i) {
        rows[i].store(to + (p * length + i) * kPack<U>);
      }
    });
    Carry after;
    return scanners.finish(after);
  }

  // Registers of whole lines to registers of their first elements, of their
  // second ones, and so on; and back.
  template <int length, int run = 1>
  UPSWEEP_INLINE static void transpose_lines(Pack<U> (&rows)[length]) {
    if constexpr (run < length) {
      for (int i = 0; i < length; ++i) {
        if (i & run) continue;
        auto first = runs<run, false>(rows[i], rows[i + run]);
        rows[i + run] = runs<run, true>(rows[i], rows[i + run]);
        rows[i] = first;
      }
      transpose_lines<length, 2 * run>(rows);
    }
  }

  bool is_full() const { return tile_.slabs == n * tile_.per_lane; }

  void load(const U* from) {
    auto steps = static_cast<int>(run_);
    if (is_full()) return gather(from, 1, lane_, n, steps, block_);
    // Lanes and slabs that are not there scan what changes nothing.
    std::fill_n(runs_, run_ * n,
                std::bit_cast<U>(
                    Keys<M>(tile_.key_mask).element(M::value(M::initial()))));
    for (int64_t l = 0; l < lanes_; ++l) {
      copy(runs_ + l * run_, from + l * lane_, run_of(l));
    }
    gather(runs_, 1, run_, n, steps, block_);
  }

  // Writes runs of each slab.
  void store(U* to, int64_t of_slab) {
    auto steps = static_cast<int>(run_);
    bool is_dense = tile_.out_slab == tile_.length * tile_.width;
    if (is_full() && !tile_.streaming && (is_dense || tile_.per_lane == 1)) {
      return scatter(results_, to, 1, tile_.out_slab * tile_.per_lane, n,
                     steps);
    }
    scatter(results_, runs_, 1, run_, n, steps);
    if (is_dense && run_ == lane_)
      return copy_out(to, runs_, tile_.slabs * of_slab);
    for (int64_t s = 0; s < tile_.slabs; ++s) {
      copy_out(to + s * tile_.out_slab, runs_ + s * of_slab, of_slab);
    }
  }

  // Elements of a lane that are there.
  int64_t run_of(int64_t lane) const {
    int64_t of_slab = run_ / tile_.per_lane;
    return std::min(run_, tile_.slabs * of_slab - lane * run_);
  }

  void copy_out(U* to, const U* from, int64_t count) const {
    tile_.streaming ? stream_copy(to, from, count) : copy(to, from, count);
  }
  static void copy(U* to, const U* from, int64_t count) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(U));
  }

  // As much of the next tile as this tile has in these rows, and of the places
  // of its results: stores that wait for memory would hold up everything.
  void prefetch_next() {
    uintptr_t end = prefetched_ + static_cast<uintptr_t>(run_ * n) * sizeof(U);
    auto to = reinterpret_cast<uintptr_t>(static_cast<U*>(tile_.out) +
                                          tile_.slabs * tile_.out_slab);
    for (; prefetched_ < end; prefetched_ += 64) {
      if (tile_.next_read) prefetch(tile_.next_read + prefetched_);
      if (!tile_.streaming) prefetch_results(to + prefetched_);
    }
  }

  const SlabTile& tile_;
  Carry* carry_;
  bool inclusive_;
  int64_t lane_;              // elements from lane to lane
  int64_t lanes_;             // that have a slab
  int64_t run_ = 0;           // elements of each lane
  uintptr_t prefetched_ = 0;  // bytes of the next tile
  FastAttempts attempts_;
  alignas(64) U block_[kRun * n];
  alignas(64) U results_[kRun * n];
  alignas(64) U runs_[kRun * n];
};

}  // namespace
}  // namespace upsweep
