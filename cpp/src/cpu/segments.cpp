// Scans with resets. A reset only ends what came before it, so the rows of a
// panel between two resets are an ordinary tile. Where resets are close, the
// lanes of a kernel start again on their own. Which of the two happens depends
// on shape and resets only, never on the number of threads.
#include "segments.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "../host/memory.h"
#include "../host/pool.h"
#include "aligned_buffer.h"
#include "isa.h"
#include "starts.h"
#include "tiles.h"

namespace upsweep {

namespace {

// Rows of a panel of columns that either have resets or not.
constexpr int64_t kBlockRows = 64;
// Elements of a line without a reset from which on they are a tile; those that
// are scanned at once where segments are shorter; and those that a tile has,
// and a thread takes at once.
constexpr int64_t kLongSegment = 512;
constexpr int64_t kShortSegments = 3 << 13;
constexpr int64_t kPiece = 1 << 14;
constexpr int64_t kShare = 1 << 16;

class SegmentedScan {
 public:
  explicit SegmentedScan(const ScanWork& work)
      : work_(work),
        plan_(work.plan),
        tiling_(make_segment_tiling(work.plan, work.dtype)),
        kernel_(isa().kernel(work.op, work.dtype)),
        methods_(carry_methods(work.op, work.dtype)),
        tiles_(plan_, tiling_, kernel_, work.dtype, work.in->data(),
               work.in_offset, work.out->data(),
               is_streamed(work.out->nbytes())),
        starts_(work.initial, work.op, work.dtype, plan_, kernel_),
        flags_(static_cast<const uint8_t*>(work.reset->data())) {}

  // Work is cut where a segment begins: a long line into shares, the others
  // into panels.
  void run() {
    int64_t elements =
        plan_.outer_size * plan_.inner.extent * plan_.length.extent;
    if (elements == 0) return;
    int64_t shares =
        tiling_.width == 1 ? ceil_div(plan_.length.extent, kShare) : 1;
    std::atomic<int64_t> taken{0};
    auto work = [&] {
      AlignedBuffer carry(kernel_.carry_size(tiling_.width));
      for (int64_t i; (i = taken.fetch_add(1)) < tiling_.panels * shares;) {
        Panel panel = find_panel(plan_, tiling_, i / shares);
        int64_t from = i % shares * kShare;
        int64_t to = std::min(from + kShare, plan_.length.extent);
        if (shares == 1) to = plan_.length.extent;
        // A share without a reset belongs to the segment of an earlier one.
        int64_t first = from == 0 ? 0 : next_reset(panel, from, to);
        if (first == to && from != 0) continue;
        int64_t last = next_reset(panel, to, plan_.length.extent);
        if (from == 0) {
          start(panel, carry.data());
        } else {
          kernel_.init_carry(carry.data(), panel.width);
        }
        scan(panel, first, last, carry.data());
      }
    };
    int threads = threads_for(elements);
    threads == 1 ? work() : pool().run(threads, work);
  }

 private:
  static Tiling make_segment_tiling(const Plan& plan, Dtype dtype) {
    bool columns = std::abs(plan.length.out_step) > 1;
    int64_t most = kPanelBytes / static_cast<int64_t>(dtype.size());
    return make_panels(plan, dtype, columns ? most : 1);
  }

  const uint8_t* flag(const Panel& panel, int64_t row) const {
    return flags_ + panel.out + row * plan_.length.out_step;
  }

  // The first row from `row` up to `last` at which a segment starts in any
  // line, or `last`.
  int64_t next_reset(const Panel& panel, int64_t row, int64_t last) const {
    if (row >= last) return last;
    const uint8_t* at = flag(panel, row);
    if (panel.width == 1 && plan_.length.out_step == 1) {
      auto* found = static_cast<const uint8_t*>(
          std::memchr(at, 1, static_cast<size_t>(last - row)));
      return found ? row + (found - at) : last;
    }
    for (; row < last; ++row, at += plan_.length.out_step) {
      if (has_reset(at, panel.width)) return row;
    }
    return last;
  }

  bool has_reset(const uint8_t* flags, int64_t width) const {
    if (plan_.inner.out_step == 1) {
      return std::memchr(flags, 1, static_cast<size_t>(width)) != nullptr;
    }
    for (int64_t i = 0; i < width; ++i) {
      if (flags[i * plan_.inner.out_step]) return true;
    }
    return false;
  }

  void start(const Panel& panel, void* carry) const {
    starts_.set(carry, panel);
    if (work_.include_initial) {
      starts_.store(carry, tiles_.rows(panel, 0, 1));
    }
  }

  // Scans rows first to last of a panel, from the carry.
  void scan(const Panel& panel, int64_t first, int64_t last,
            void* carry) const {
    if (panel.width == 1) return scan_line(panel, first, last, carry);
    for (int64_t row = first; row < last; row += kBlockRows) {
      int64_t end = std::min(row + kBlockRows, last);
      Tile rows = tiles_.rows(panel, row, end - row);
      if (next_reset(panel, row, end) == end) {
        kernel_.scan(rows, carry, nullptr, work_.inclusive);
      } else {
        kernel_.scan_segments(rows, flag(panel, row), carry, work_.inclusive);
      }
    }
  }

  // The same for a panel of one line.
  void scan_line(const Panel& line, int64_t first, int64_t last,
                 void* carry) const {
    for (int64_t row = first; row < last;) {
      int64_t end = next_reset(line, row + 1, last);
      if (end - row < kLongSegment) {
        end = std::min(row + kShortSegments, last);
        kernel_.scan_segments(tiles_.rows(line, row, end - row),
                              flag(line, row), carry, work_.inclusive);
        row = end;
        continue;
      }
      reset(line, row, carry);
      for (; row < end; row += kPiece) {
        Tile tile = tiles_.rows(line, row, std::min(kPiece, end - row));
        tile.next_read += static_cast<uintptr_t>(tile.length * tile.in_step) *
                          work_.dtype.size();
        kernel_.scan(tile, carry, nullptr, work_.inclusive);
      }
      row = end;
    }
  }

  void reset(const Panel& panel, int64_t row, void* carry) const {
    const uint8_t* at = flag(panel, row);
    for (int64_t i = 0; i < panel.width; ++i) {
      if (!at[i * plan_.inner.out_step]) continue;
      kernel_.set_prefix(carry, i, methods_.identity().prefix,
                         kernel_.key_mask);
    }
  }

  const ScanWork& work_;
  const Plan& plan_;
  Tiling tiling_;
  const Kernel& kernel_;
  const CarryMethods& methods_;
  Tiles tiles_;
  Starts starts_;
  const uint8_t* flags_;
};

}  // namespace

void run_segments(const ScanWork& work) { SegmentedScan(work).run(); }

}  // namespace upsweep
