// Scans with resets. A reset only ends what came before it, so the rows between
// two resets of a panel are an ordinary tile, and segments of one line are as
// independent as lines are:
//
//   columns  up to 16 neighbouring lines are scanned together, row by row up to
//            the next reset of any of them
//   lines    long segments are scanned one after the other; up to 16 short ones
//            are copied side by side, and scanned as lines
//
// Which of these happens depends on the shape and the resets only, never on the
// number of threads.
#include "segments.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../host/pool.h"
#include "aligned_buffer.h"
#include "isa.h"
#include "starts.h"
#include "tiles.h"

namespace upsweep {

namespace {

// Lines or segments that are scanned side by side.
constexpr int64_t kWidth = 16;
// Segments longer than this are scanned one at a time.
constexpr int64_t kShortSegment = 1024;
// Elements of a line that are scanned at once, and that a thread takes at once.
constexpr int64_t kPiece = 1 << 14;
constexpr int64_t kShare = 1 << 16;

// Copies elements of a size that are `from_step` and `to_step` bytes apart.
template <class T>
void copy_elements(const char* from, int64_t from_step, char* to,
                   int64_t to_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * to_step, from + i * from_step, sizeof(T));
  }
}
void copy_elements(size_t size, const char* from, int64_t from_step, char* to,
                   int64_t to_step, int64_t count) {
  auto dense = static_cast<int64_t>(size);
  if (from_step == dense && to_step == dense) {
    std::memcpy(to, from, size * static_cast<size_t>(count));
    return;
  }
  switch (size) {
    case 1:
      return copy_elements<uint8_t>(from, from_step, to, to_step, count);
    case 2:
      return copy_elements<uint16_t>(from, from_step, to, to_step, count);
    case 4:
      return copy_elements<uint32_t>(from, from_step, to, to_step, count);
    default:
      return copy_elements<uint64_t>(from, from_step, to, to_step, count);
  }
}

class SegmentedScan {
 public:
  explicit SegmentedScan(const ScanWork& work)
      : work_(work),
        plan_(work.plan),
        tiling_(make_segment_tiling(work.plan)),
        kernel_(isa().kernel(work.op, work.dtype)),
        methods_(carry_methods(work.op, work.dtype)),
        itemsize_(work.dtype.size()),
        tiles_(plan_, tiling_, kernel_, work.dtype, work.in->data(),
               work.in_offset, work.out->data(), false),
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
      Scratch scratch(*this);
      for (int64_t i; (i = taken.fetch_add(1)) < tiling_.panels * shares;) {
        Panel panel = find_panel(plan_, tiling_, i / shares);
        int64_t share = i % shares;
        int64_t first = share == 0 ? 0 : next_reset(panel, share * kShare);
        int64_t last = share + 1 == shares
                           ? plan_.length.extent
                           : next_reset(panel, (share + 1) * kShare);
        if (share == 0) {
          start(panel, scratch);
        } else {
          kernel_.init_carry(scratch.carry.data(), panel.width);
        }
        scan(panel, first, last, scratch);
      }
    };
    int threads = threads_for(elements);
    threads == 1 ? work() : pool().run(threads, work);
  }

 private:
  struct Scratch {
    explicit Scratch(const SegmentedScan& of)
        : carry(of.kernel_.carry_size(kWidth)),
          summary(of.kernel_.summary_size(
              1, std::min(kPiece, of.plan_.length.extent))),
          in(of.itemsize_ * kWidth * kShortSegment),
          out(of.itemsize_ * kWidth * kShortSegment) {}
    AlignedBuffer carry, summary, in, out;
  };

  static Tiling make_segment_tiling(const Plan& plan) {
    bool columns = std::abs(plan.length.out_step) > 1;
    int64_t lines = std::max<int64_t>(plan.inner.extent, 1);
    int64_t width = columns ? std::min(lines, kWidth) : 1;
    return {width, plan.outer_size * ceil_div(lines, width), plan.length.extent,
            1};
  }

  const uint8_t* flag(const Panel& panel, int64_t row) const {
    return flags_ + panel.out + row * plan_.length.out_step;
  }

  // The first row from `row` on at which a segment starts in any line.
  int64_t next_reset(const Panel& panel, int64_t row) const {
    int64_t n = plan_.length.extent;
    if (row >= n) return n;
    const uint8_t* at = flag(panel, row);
    if (panel.width == 1 && plan_.length.out_step == 1) {
      auto* found = static_cast<const uint8_t*>(
          std::memchr(at, 1, static_cast<size_t>(n - row)));
      return found ? row + (found - at) : n;
    }
    for (; row < n; ++row, at += plan_.length.out_step) {
      uint8_t any = 0;
      for (int64_t i = 0; i < panel.width; ++i) {
        any |= at[i * plan_.inner.out_step];
      }
      if (any) return row;
    }
    return n;
  }

  void start(const Panel& panel, Scratch& scratch) const {
    starts_.set(scratch.carry.data(), panel);
    if (work_.include_initial) {
      starts_.store(scratch.carry.data(), tiles_.rows(panel, 0, 1));
    }
  }

  // Scans rows first to last of a panel, from the carry.
  void scan(const Panel& panel, int64_t first, int64_t last,
            Scratch& scratch) const {
    for (int64_t row = first; row < last;) {
      if (panel.width == 1 && *flag(panel, row)) {
        int64_t end = scan_short_segments(panel, row, last, scratch);
        if (end != row) {
          row = end;
          continue;
        }
      }
      reset(panel, row, scratch.carry.data());
      int64_t end = std::min(next_reset(panel, row + 1), last);
      for (; row < end; row += kPiece) {
        scan_rows(tiles_.rows(panel, row, std::min(kPiece, end - row)),
                  scratch);
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

  void scan_rows(const Tile& tile, Scratch& scratch) const {
    bool summarised = tile.width == 1 && kernel_.needs_summary;
    if (summarised) kernel_.reduce(tile, scratch.summary.data(), false);
    kernel_.scan(tile, scratch.carry.data(),
                 summarised ? scratch.summary.data() : nullptr,
                 work_.inclusive);
  }

  // Scans short segments side by side, the first of which starts at `row`.
  // Returns the row after them, or `row` if there are too few, or they differ
  // too much in length, for that to pay.
  int64_t scan_short_segments(const Panel& panel, int64_t row, int64_t last,
                              Scratch& scratch) const {
    int64_t begin[kWidth + 1] = {row};
    int64_t longest = 0, count = 0;
    while (count < kWidth && begin[count] < last) {
      int64_t end = std::min(next_reset(panel, begin[count] + 1), last);
      int64_t length = end - begin[count];
      if (length > kShortSegment) break;
      longest = std::max(longest, length);
      begin[++count] = end;
    }
    int64_t elements = begin[count] - row;
    if (count < 2 || elements * 4 < longest * kWidth) return row;
    copy_in(panel, begin, count, longest, scratch);
    Tile tile{scratch.in.data(),
              scratch.out.data(),
              longest,
              count,
              1,
              longest,
              1,
              longest,
              0,
              false,
              kernel_.key_mask};
    tile.next_read = reinterpret_cast<uintptr_t>(tile.in);
    kernel_.init_carry(scratch.carry.data(), count);
    kernel_.scan(tile, scratch.carry.data(), nullptr, work_.inclusive);
    auto size = static_cast<int64_t>(itemsize_);
    for (int64_t i = 0; i < count; ++i) {
      Tile to = tiles_.rows(panel, begin[i], begin[i + 1] - begin[i]);
      auto* from = static_cast<const char*>(tile.out) + i * longest * size;
      copy_elements(itemsize_, from, size, static_cast<char*>(to.out),
                    to.out_step * size, to.length);
    }
    return begin[count];
  }

  // Copies segments into lines of the length `longest`, filled up with the
  // identity.
  void copy_in(const Panel& panel, const int64_t* begin, int64_t count,
               int64_t longest, Scratch& scratch) const {
    auto size = static_cast<int64_t>(itemsize_);
    alignas(8) char identity[8];
    methods_.store_value(methods_.identity(), identity);
    for (int64_t i = 0; i < count; ++i) {
      Tile from = tiles_.rows(panel, begin[i], begin[i + 1] - begin[i]);
      char* to = static_cast<char*>(scratch.in.data()) + i * longest * size;
      copy_elements(itemsize_, static_cast<const char*>(from.in),
                    from.in_step * size, to, size, from.length);
      copy_elements(itemsize_, identity, 0, to + from.length * size, size,
                    longest - from.length);
    }
  }

  const ScanWork& work_;
  const Plan& plan_;
  Tiling tiling_;
  const Kernel& kernel_;
  const CarryMethods& methods_;
  size_t itemsize_;
  Tiles tiles_;
  Starts starts_;
  const uint8_t* flags_;
};

}  // namespace

void run_segments(const ScanWork& work) { SegmentedScan(work).run(); }

}  // namespace upsweep
