// What lines amount to: each tile is reduced to a summary, on any thread, and
// the summaries are appended in order. Elements are read once, and once more
// only where a summary does not tell what follows: where a prefix may leave the
// range of the dtype, or a total that of the summary.
#include <algorithm>
#include <atomic>

#include "../core/backend.h"
#include "../host/pool.h"
#include "aligned_buffer.h"
#include "isa.h"
#include "starts.h"
#include "tiles.h"

namespace upsweep {

namespace {

// Elements of a panel that are scanned at once for their carry alone.
constexpr int64_t kPiece = 1 << 14;
// Summaries that are kept until they are appended: so many, or so many bytes.
constexpr int64_t kRoom = 1 << 12;
constexpr int64_t kRoomBytes = 1 << 24;

class LineCarries {
 public:
  explicit LineCarries(const CarryWork& work)
      : plan_(work.plan),
        tiling_(make_tiling(work.plan, work.dtype)),
        kernel_(isa().kernel(work.op, work.dtype)),
        methods_(carry_methods(work.op, work.dtype)),
        itemsize_(work.dtype.size()),
        tiles_(plan_, tiling_, kernel_, work.dtype, work.in->data(),
               work.in_offset, nullptr, false),
        starts_(work.initial, work.op, work.dtype, plan_, kernel_),
        records_(static_cast<CarryRecord*>(work.out->data())),
        lines_(static_cast<int64_t>(work.out->nbytes() / sizeof(CarryRecord))) {
  }

  void run() {
    if (plan_.length.extent == 0) {
      for (int64_t i = 0; i < lines_; ++i) records_[i] = starts_.record(i);
      return;
    }
    int threads = threads_for(lines_ * plan_.length.extent);
    if (threads > 1 && tiling_.panels < threads) {
      for (int64_t panel = 0; panel < tiling_.panels; ++panel) {
        share_tiles(panel, threads);
      }
    } else {
      share_panels(threads);
    }
  }

 private:
  // The summaries of some tiles of one panel.
  struct Summaries {
    Summaries(const LineCarries& of, int64_t width, int64_t count)
        : size((of.kernel_.summary_size(
                    width, std::min(of.tiling_.tile, of.plan_.length.extent)) +
                63) /
               64 * 64),
          buffer(size * static_cast<size_t>(count)) {}
    void* at(int64_t i) {
      return static_cast<char*>(buffer.data()) + size * static_cast<size_t>(i);
    }
    size_t size;
    AlignedBuffer buffer;
  };

  void share_panels(int threads) {
    std::atomic<int64_t> taken{0};
    auto work = [&] {
      Summaries summary(*this, tiling_.width, 1);
      for (int64_t p; (p = taken.fetch_add(1)) < tiling_.panels;) {
        Panel panel = find_panel(plan_, tiling_, p);
        void* at = summary.at(0);
        AlignedBuffer carry(kernel_.carry_size(panel.width));
        begin(panel, carry.data());
        for (int64_t t = 0; t < tiling_.tiles; ++t) {
          Tile tile = tiles_.at(panel, t);
          kernel_.reduce(tile, at, true);
          append(panel, tile, t, at, carry.data());
        }
        end(panel, carry.data());
      }
    };
    threads == 1 ? work() : pool().run(threads, work);
  }

  // Threads reduce as many tiles as there is room for, before one appends them.
  void share_tiles(int64_t p, int threads) {
    Panel panel = find_panel(plan_, tiling_, p);
    AlignedBuffer carry(kernel_.carry_size(panel.width));
    auto each = static_cast<int64_t>(kernel_.summary_size(
        panel.width, std::min(tiling_.tile, plan_.length.extent)));
    int64_t room = std::min({kRoom, kRoomBytes / each + 1, tiling_.tiles});
    Summaries summaries(*this, panel.width, room);
    begin(panel, carry.data());
    for (int64_t first = 0; first < tiling_.tiles; first += room) {
      int64_t last = std::min(first + room, tiling_.tiles);
      std::atomic<int64_t> taken{first};
      pool().run(threads, [&] {
        for (int64_t t; (t = taken.fetch_add(1)) < last;) {
          kernel_.reduce(tiles_.at(panel, t), summaries.at(t - first), true);
        }
      });
      for (int64_t t = first; t < last; ++t) {
        append(panel, tiles_.at(panel, t), t, summaries.at(t - first),
               carry.data());
      }
    }
    end(panel, carry.data());
  }

  CarryRecord& record(const Panel& panel, int64_t i) const {
    return records_[starts_.line(panel, i)];
  }

  void begin(const Panel& panel, void* carry) const {
    starts_.set(carry, panel);
    for (int64_t i = 0; i < panel.width; ++i) {
      record(panel, i) = starts_.record(starts_.line(panel, i));
    }
  }

  void append(const Panel& panel, const Tile& tile, int64_t t,
              const void* summary, void* carry) const {
    for (int64_t i = 0; i < panel.width; ++i) {
      append_total(record(panel, i), tile, i, summary);
    }
    if (!kernel_.try_apply_summary(carry, summary, panel.width)) {
      scan(panel, t * tiling_.tile, tile.length, carry);
    }
  }

  void append_total(CarryRecord& record, const Tile& tile, int64_t line,
                    const void* summary) const {
    CarryRecord of_tile = methods_.identity();
    if (!kernel_.describe(summary, line, of_tile, kernel_.key_mask)) {
      of_tile = methods_.identity();
      auto* in = static_cast<const char*>(tile.in) +
                 line * tile.in_lane * static_cast<int64_t>(itemsize_);
      methods_.append_to_total(of_tile, in, tile.in_step, tile.length);
    }
    record.decided = 0;  // the carry has the prefix
    methods_.append(record, of_tile);
  }

  // Scans rows of a panel, and only keeps the carry.
  void scan(const Panel& panel, int64_t first, int64_t rows,
            void* carry) const {
    int64_t most = std::max<int64_t>(1, kPiece / panel.width);
    most = std::min(most, rows);
    AlignedBuffer results(itemsize_ * static_cast<size_t>(most * panel.width));
    for (int64_t done = 0; done < rows; done += most) {
      Tile piece =
          tiles_.rows(panel, first + done, std::min(most, rows - done));
      piece.out = results.data();
      piece.out_step = panel.width;
      piece.out_lane = 1;
      kernel_.scan(piece, carry, nullptr, true);
    }
  }

  void end(const Panel& panel, const void* carry) const {
    for (int64_t i = 0; i < panel.width; ++i) {
      CarryRecord& of_line = record(panel, i);
      of_line.prefix = methods_.is_associative
                           ? of_line.total
                           : kernel_.prefix(carry, i, kernel_.key_mask);
      of_line.decided = 1;
    }
  }

  const Plan& plan_;
  Tiling tiling_;
  const Kernel& kernel_;
  const CarryMethods& methods_;
  size_t itemsize_;
  Tiles tiles_;
  Starts starts_;
  CarryRecord* records_;
  int64_t lines_;
};

}  // namespace

void run_carry(const CarryWork& work) { LineCarries(work).run(); }

}  // namespace upsweep
