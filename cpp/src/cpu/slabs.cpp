// Scans of many short lines, shared by threads panel by panel. A panel is as
// many neighbouring slabs as the lanes of a register take at once.
#include "slabs.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <optional>

#include "../host/memory.h"
#include "../host/pool.h"
#include "aligned_buffer.h"
#include "isa.h"
#include "packing.h"
#include "starts.h"

namespace upsweep {

namespace {

// The most elements of a slab. There must be slabs for half of the lanes. Other
// lines fill registers in other ways.
constexpr int64_t kMostElements = 1024;
// The same where a row fills a register already.
constexpr int64_t kMostOfWide = 256;
// Lines along memory are transposed in squares whose sides have so many bytes.
constexpr int64_t kSquareBytes = 16;
// Lines of at most so many elements need no squares.
constexpr int64_t kShortest = 4;
// Elements of panels that a thread takes at once.
constexpr int64_t kGrain = 1 << 14;

// Whether registers load lines, or rows, directly and so faster: lines of whole
// squares, inputs whose axes are swapped, and rows with gaps between them.
bool fill_registers(const Plan& plan, int64_t width, int64_t lanes,
                    int64_t side) {
  bool along = std::abs(plan.length.in_step) == 1;
  if (width >= lanes) return !is_packed(plan);
  if (width > 1) return false;
  bool swapped =
      std::abs(plan.inner.in_step) == 1 && !along && plan.inner.extent >= lanes;
  return swapped ||
         (along && plan.length.extent > kShortest &&
          plan.length.extent % side == 0 && plan.inner.extent >= lanes);
}

class Slabs {
 public:
  explicit Slabs(const ScanWork& work)
      : work_(work),
        plan_(work.plan),
        kernel_(isa().kernel(work.op, work.dtype)),
        itemsize_(static_cast<int64_t>(work.dtype.size())),
        length_(plan_.length.extent),
        width_(std::abs(plan_.length.out_step)),
        slabs_(plan_.lines() / width_),
        lanes_(lanes_for(itemsize_)),
        reverse_(plan_.length.out_step < 0),
        per_lane_(find_per_lane()),
        packing_(find_packing(work)),
        starts_(work.initial, work.op, work.dtype, plan_, kernel_),
        start_alike_(per_lane_ > 1 && work.is_plain()) {
    int64_t lowest = reverse_ ? 0 : plan_.out_start;
    out_ = static_cast<char*>(work.out->data()) + lowest * itemsize_;
    in_ =
        static_cast<const char*>(work.in->data()) + work.in_offset * itemsize_;
    streaming_ = is_streamed(work.out->nbytes());
  }

  void run() {
    int64_t elements = slabs_ * slab();
    int64_t panels = ceil_div(slabs_, per_panel());
    int64_t grain = std::max<int64_t>(1, kGrain / (per_panel() * slab() + 1));
    std::atomic<int64_t> taken{0};
    int threads = threads_for(elements);
    // Here, because threads of the pool may not throw.
    std::deque<Scratch> scratch;
    for (int i = 0; i < threads; ++i) scratch.emplace_back(*this);
    std::atomic<size_t> started{0};
    auto work = [&] {
      auto& [carry, input] = scratch[started.fetch_add(1)];
      for (int64_t from; (from = taken.fetch_add(grain)) < panels;) {
        int64_t to = std::min(from + grain, panels);
        for (int64_t p = from; p < to; ++p) {
          SlabTile tile = tile_at(p);
          if (packing_) {
            packing_->pack(in_, p * per_panel() * slab(), tile.slabs * slab(),
                           input.data());
            tile.in = input.data();
            tile.next_read = 0;
          }
          start(carry.data(), p, tile);
          kernel_.scan_slabs(tile, carry.data(), work_.inclusive);
        }
      }
    };
    threads == 1 ? work() : pool().run(threads, work);
  }

 private:
  // Memory of one thread.
  struct Scratch {
    explicit Scratch(const Slabs& of)
        : carry(of.kernel_.carry_size(of.carries())),
          input(of.packing_ ? static_cast<size_t>(of.per_panel() * of.slab() *
                                                  of.itemsize_)
                            : 0) {
      of.kernel_.init_carry(carry.data(), of.carries());
    }
    AlignedBuffer carry, input;
  };

  static std::optional<Packing> find_packing(const ScanWork& work) {
    if (is_packed(work.plan)) return {};
    return Packing(copy_input(work.plan).axes, work.dtype.size());
  }

  // Lines of a carry: where all start alike, those of the first lanes.
  int64_t carries() const { return start_alike_ ? lanes_ : lines(); }

  // Elements of a slab, slabs of a panel, and lines that its lanes can take.
  int64_t slab() const { return length_ * width_; }
  int64_t per_panel() const { return per_lane_ * lanes_; }
  int64_t lines() const { return per_panel() * width_; }

  // A lane takes as many slabs as fit the first-level cache, but no more than
  // all lanes need; and at least what a square takes that is transposed.
  int64_t find_per_lane() const {
    if (length_ > kRows) return 1;  // it has its lane
    int64_t most = kSlabBytes / itemsize_ / lanes_ / slab();
    int64_t needed = ceil_div(slabs_, lanes_);
    int64_t least = ceil_div(kSquareBytes / itemsize_, slab());
    return std::max({std::min(most, needed), least, int64_t{1}});
  }

  SlabTile tile_at(int64_t panel) const {
    int64_t first = panel * per_panel();
    const char* in = in_ + first * slab() * itemsize_;
    int64_t out_slab = plan_.out_extent * width_;
    return {in,
            out_ + first * out_slab * itemsize_,
            std::min(per_panel(), slabs_ - first),
            per_lane_,
            length_,
            width_,
            out_slab,
            reverse_,
            streaming_,
            reinterpret_cast<uintptr_t>(in) +
                static_cast<uintptr_t>(per_panel() * slab() * itemsize_),
            kernel_.key_mask,
            start_alike_};
  }

  // Sets the carry that enters a panel.
  void start(void* carry, int64_t panel, const SlabTile& tile) const {
    if (start_alike_) return;
    kernel_.init_carry(carry, lines());
    if (starts_.are_identity() && !work_.include_initial) return;
    for (int64_t s = 0; s < tile.slabs; ++s) {
      for (int64_t j = 0; j < width_; ++j) {
        int64_t line = (panel * per_panel() + s) * width_ + j;
        int64_t i = line_of_carry(s, j);
        starts_.set_line(carry, i, line);
        if (!work_.include_initial) continue;
        int64_t before = reverse_ ? length_ : -1;
        int64_t at = s * tile.out_slab + before * width_ + j;
        starts_.store_line(carry, i,
                           static_cast<char*>(tile.out) + at * itemsize_);
      }
    }
  }

  // Where a carry has column j of slab s: lanes take runs of slabs.
  int64_t line_of_carry(int64_t s, int64_t j) const {
    return (s % per_lane_ * width_ + j) * lanes_ + s / per_lane_;
  }

  const ScanWork& work_;
  const Plan& plan_;
  const Kernel& kernel_;
  int64_t itemsize_;
  int64_t length_, width_;  // rows of a slab, elements of a row
  int64_t slabs_;
  int64_t lanes_;
  bool reverse_;
  int64_t per_lane_;
  std::optional<Packing> packing_;
  Starts starts_;
  bool start_alike_;  // see SlabTile
  const char* in_;
  char* out_;
  bool streaming_;
};

}  // namespace

bool are_slabs(const ScanWork& work) {
  const Plan& plan = work.plan;
  int64_t width = std::abs(plan.length.out_step);
  auto itemsize = static_cast<int64_t>(work.dtype.size());
  int64_t lanes = lanes_for(itemsize);
  return plan.elements() > 0 && plan.lines() / width >= lanes / 2 &&
         !fill_registers(plan, width, lanes, kSquareBytes / itemsize) &&
         plan.length.extent * width <=
             (width < lanes ? kMostElements : kMostOfWide) &&
         width <= kSlabBytes / itemsize / lanes;
}

void run_slabs(const ScanWork& work) { Slabs(work).run(); }

}  // namespace upsweep
