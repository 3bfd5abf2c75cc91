// How threads share a scan. Panels are independent, so where there are enough
// of them each thread takes whole panels. Where there are few, as in one long
// row, threads take tiles in order and hand the carry on (a chained scan in a
// single pass over memory): a thread
//
//   1. reduces its tile to a summary, and brings the tile that it will likely
//      take next into the cache,
//   2. waits for the carry of the tile before,
//   3. hands on the carry after its tile, which the summary predicts,
//   4. scans the tile from the cache.
//
// Only where a tile may leave the dtype's range is step 3 after step 4. Either
// way the bits are those of one thread that scans all tiles in order.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "../core/backend.h"
#include "../host/memory.h"
#include "../host/pool.h"
#include "aligned_buffer.h"
#include "isa.h"
#include "packing.h"
#include "segments.h"
#include "singles.h"
#include "slabs.h"
#include "starts.h"
#include "tiles.h"

namespace upsweep {

namespace {

// Elements of panels that a thread takes at once.
constexpr int64_t kGrain = 1 << 14;
// Panels of so few elements are not worth starting: if the axes of their input
// do not merge, those of a copy do.
constexpr int64_t kFewElements = 1 << 10;
// Elements of a row that are farther apart are packed only if there are many
// rows: few do not pay for a second walk over them.
constexpr int64_t kNear = 16;
constexpr int64_t kManyRows = 128;
// Rows of a tile that are on their way from memory while one is packed.
constexpr int64_t kRowsAhead = 8;
// With this many panels for each thread, none is idle for long at the end.
constexpr int64_t kPanelsPerThread = 4;

// Tile `tile` of panel `panel`.
struct TileIndex {
  int64_t panel, tile;
};

class Scan {
 public:
  explicit Scan(const ScanWork& work)
      : work_(work),
        packed_(find_packed(work)),
        plan_(packed_ ? packed_->plan : work.plan),
        tiling_(make_tiling(plan_, work.dtype, packed_.has_value())),
        kernel_(isa().kernel(work.op, work.dtype)),
        tiles_(plan_, tiling_, kernel_, work.dtype, work.in->data(),
               work.in_offset, work.out->data(),
               is_streamed(work.out->nbytes())),
        starts_(work.initial, work.op, work.dtype, plan_, kernel_) {}

  void run() {
    int64_t lines = plan_.outer_size * plan_.inner.extent;
    int64_t elements = lines * plan_.length.extent;
    if (elements == 0) return;
    int threads = threads_for(elements);
    if (threads == 1 || tiling_.tiles == 1 || !tiling_.chained ||
        tiling_.panels >= threads * kPanelsPerThread) {
      run_panels(threads, elements);
    } else {
      run_chains(threads);
    }
  }

 private:
  void run_panels(int threads, int64_t elements) {
    int64_t grain =
        std::max<int64_t>(1, kGrain / (elements / tiling_.panels + 1));
    std::atomic<int64_t> taken{0};
    share(threads, [&](const Memory& memory) {
      TileIndex at{-1, tiling_.tiles - 1};
      int64_t end = 0;
      auto take = [&] {
        if (++at.tile < tiling_.tiles) return at;
        at.tile = 0;
        if (++at.panel >= end) {
          at.panel = taken.fetch_add(grain);
          end = at.panel + grain;
        }
        return at;
      };
      walk(take, [&](TileIndex here, const Panel& panel, Tile tile) {
        pack(here, panel, tile, memory.input);
        if (here.tile == 0) start(memory.carry, panel, tile);
        bool summarised = is_summarised(here.tile, tile.width);
        if (summarised) kernel_.reduce(tile, memory.summary, false);
        kernel_.scan(tile, memory.carry, summarised ? memory.summary : nullptr,
                     work_.inclusive);
      });
    });
  }

  // The input without gaps, if tiles of it have to be packed: lines too few to
  // fill registers must be neighbours, and panels must have enough elements.
  struct PackedInput {
    Plan plan;
    Packing packing;
  };
  static std::optional<PackedInput> find_packed(const ScanWork& work) {
    const Plan& plan = work.plan;
    int64_t lanes = lanes_for(static_cast<int64_t>(work.dtype.size()));
    int64_t width = std::abs(plan.length.out_step);
    if (plan.elements() == 0 || is_packed(plan) ||
        !needs_packing(plan, width, lanes)) {
      return {};
    }
    CopiedInput copied = copy_input(plan);
    Packing packing(copied.axes, work.dtype.size());
    return PackedInput{std::move(copied.plan), std::move(packing)};
  }

  static bool needs_packing(const Plan& plan, int64_t width, int64_t lanes) {
    int64_t together = plan.inner.extent;
    bool along = std::abs(plan.length.in_step) == 1;
    if (width >= lanes) {
      bool is_small = together * plan.length.extent < kFewElements;
      return (is_small && together != width) || plan.inner.in_step == 0 ||
             (!along && plan.inner.in_step != 1 &&
              (std::abs(plan.inner.in_step) <= kNear ||
               plan.length.extent >= kManyRows));
    }
    bool are_columns = std::abs(plan.inner.in_step) == 1 && together >= lanes;
    return width > 1 || !(along || are_columns);
  }

  // Replaces the input of a tile by a packed copy.
  void pack(const TileIndex& index, const Panel& panel, Tile& tile,
            void* memory) const {
    if (!packed_) return;
    int64_t first = panel.in + index.tile * tiling_.tile * tile.in_step;
    auto* in = static_cast<const char*>(work_.in->data()) +
               work_.in_offset * itemsize();
    auto* to = static_cast<char*>(memory);
    tile.in = tile.in_step < 0
                  ? to + (tile.length - 1) * tile.width * itemsize()
                  : to;
    tile.next_read = reinterpret_cast<uintptr_t>(memory);
    int64_t apart = std::abs(tile.in_step);
    if (tile.in_step < 0) first -= (tile.length - 1) * apart;
    if (apart == tile.width) {
      packed_->packing.pack(in, first, tile.length * tile.width, to);
      return;
    }
    tile.in_step = tile.in_step < 0 ? -tile.width : tile.width;
    auto prefetch = [&](int64_t i) {
      if (i >= tile.length) return;
      packed_->packing.prefetch(in, first + i * apart, tile.width);
    };
    for (int64_t i = 0; i < kRowsAhead; ++i) prefetch(i);
    for (int64_t i = 0; i < tile.length; ++i) {
      prefetch(i + kRowsAhead);
      packed_->packing.pack(in, first + i * apart, tile.width,
                            to + i * tile.width * itemsize());
    }
  }

  int64_t itemsize() const { return static_cast<int64_t>(work_.dtype.size()); }

  // Sets the carry that enters a panel.
  void start(void* carry, const Panel& panel, const Tile& tile) const {
    starts_.set(carry, panel);
    if (work_.include_initial) starts_.store(carry, tile);
  }

  // The carry on its way down one panel. Only the thread with tile `done`
  // touches it.
  struct Chain {
    explicit Chain(size_t carry_size) : carry(carry_size) {}
    alignas(64) std::atomic<int64_t> done{0};
    AlignedBuffer carry;
    std::atomic<bool> saturated{false};  // a hint: it changes no results
  };

  void run_chains(int threads) {
    std::vector<std::unique_ptr<Chain>> chains;
    for (int64_t p = 0; p < tiling_.panels; ++p) {
      chains.push_back(
          std::make_unique<Chain>(kernel_.carry_size(tiling_.width)));
      Panel panel = find_panel(plan_, tiling_, p);
      start(chains.back()->carry.data(), panel, tiles_.at(panel, 0));
    }
    // Tiles are taken in order, and none before it is scanned: the first that
    // is not done waits for nothing, not even for a thread that has lost its
    // processor after it handed on a carry.
    std::atomic<int64_t> taken{0};
    int64_t tickets = tiling_.panels * tiling_.tiles;
    auto index_of = [&](int64_t ticket) {
      return TileIndex{ticket % tiling_.panels, ticket / tiling_.panels};
    };
    share(threads, [&](const Memory& memory) {
      for (int64_t ticket; (ticket = taken.fetch_add(1)) < tickets;) {
        TileIndex here = index_of(ticket);
        Panel panel = find_panel(plan_, tiling_, here.panel);
        Tile tile = tiles_.at(panel, here.tile);
        // While all threads run, this is the next that they leave to this one.
        TileIndex next = index_of(std::min(ticket + threads, tickets - 1));
        Panel next_panel = next.panel == here.panel
                               ? panel
                               : find_panel(plan_, tiling_, next.panel);
        tile.next_read = tiles_.at(next_panel, next.tile).next_read;
        pack(here, panel, tile, memory.input);
        scan_chained(*chains[static_cast<size_t>(here.panel)], here.tile, tile,
                     memory.carry, memory.summary);
      }
    });
  }

  void scan_chained(Chain& chain, int64_t t, Tile tile, void* carry,
                    void* summary) {
    // Of a line that has left the range, the summary is another.
    bool saturated = reduces_itself(tile.width) &&
                     chain.saturated.load(std::memory_order_relaxed);
    bool needed = kernel_.needs_summary(tile.width);
    bool summarised = needed || (!is_last(t) && !saturated);
    bool predicted = summarised;
    if (summarised) {
      kernel_.reduce(tile, summary, true);
    } else if (!is_last(t) && kernel_.reduce_saturated) {
      kernel_.reduce_saturated(tile, summary);
      predicted = true;
    }
    // What these have prefetched is not prefetched again.
    if (predicted && tile.width == 1) tile.next_read = tiles_.lowest(tile);
    await(chain.done, t);
    std::memcpy(carry, chain.carry.data(), chain.carry.nbytes());
    if (reduces_itself(tile.width) && kernel_.is_saturated(carry) &&
        !chain.saturated.load(std::memory_order_relaxed)) {
      chain.saturated.store(true, std::memory_order_relaxed);
    }
    if (predicted && !summarised) predicted = kernel_.is_saturated(carry);
    predicted = predicted && kernel_.try_apply_summary(chain.carry.data(),
                                                       summary, tile.width);
    if (predicted) chain.done.store(t + 1, std::memory_order_release);
    kernel_.scan(tile, carry, summarised ? summary : nullptr, work_.inclusive);
    if (predicted) return;
    std::memcpy(chain.carry.data(), carry, chain.carry.nbytes());
    chain.done.store(t + 1, std::memory_order_release);
  }

  // Calls scan for what take() gives until that is past the last panel. It is
  // taken one early, so that a tile knows what this thread reads next.
  template <class Take, class ScanTile>
  void walk(const Take& take, const ScanTile& scan) const {
    TileIndex here = take();
    if (here.panel >= tiling_.panels) return;
    Panel panel = find_panel(plan_, tiling_, here.panel);
    Tile tile = tiles_.at(panel, here.tile);
    for (TileIndex next; (next = take()).panel < tiling_.panels; here = next) {
      bool is_same = next.panel == here.panel;
      Panel next_panel =
          is_same ? panel : find_panel(plan_, tiling_, next.panel);
      Tile next_tile = tiles_.at(next_panel, next.tile);
      tile.next_read = next_tile.next_read;
      scan(here, panel, tile);
      panel = next_panel;
      tile = next_tile;
    }
    scan(here, panel, tile);
  }

  bool reduces_itself(int64_t width) const {
    return width == 1 && kernel_.reduces_lines;
  }
  bool is_summarised(int64_t t, int64_t width) const {
    return kernel_.needs_summary(width) ||
           (tiling_.chained && !is_last(t) && !reduces_itself(width));
  }

  size_t summary_size() const {
    if (is_last(0) && !kernel_.needs_summary(tiling_.width)) return 0;
    int64_t length = std::min(tiling_.tile, plan_.length.extent);
    return kernel_.summary_size(tiling_.width, length);
  }

  // Memory of one thread.
  struct Memory {
    void *carry, *summary, *input;
  };

  // Calls fn on some threads, with memory of their own.
  template <class Fn>
  void share(int threads, const Fn& fn) {
    struct Scratch {
      explicit Scratch(const Scan& scan)
          : carry(scan.kernel_.carry_size(scan.tiling_.width)),
            summary(scan.summary_size()),
            input(scan.packed_ ? scan.tile_size() : 0) {}
      Memory memory() { return {carry.data(), summary.data(), input.data()}; }
      AlignedBuffer carry, summary, input;
    };
    if (threads == 1) {
      Scratch mine(*this);
      return fn(mine.memory());
    }
    std::deque<Scratch> scratch;  // they stay where they are
    for (int i = 0; i < threads; ++i) scratch.emplace_back(*this);
    std::atomic<size_t> taken{0};
    pool().run(threads, [&] { fn(scratch[taken.fetch_add(1)].memory()); });
  }

  // Bytes of the largest tile.
  size_t tile_size() const {
    int64_t length = std::min(tiling_.tile, plan_.length.extent);
    return static_cast<size_t>(length * tiling_.width * itemsize());
  }

  static void await(const std::atomic<int64_t>& done, int64_t t) {
    for (int spins = 0; done.load(std::memory_order_acquire) != t; ++spins) {
      // The wait is short unless the thread ahead has lost its processor.
      if (spins > 1000) std::this_thread::yield();
    }
  }

  bool is_last(int64_t t) const { return t == tiling_.tiles - 1; }

  const ScanWork& work_;
  std::optional<PackedInput> packed_;
  const Plan& plan_;
  Tiling tiling_;
  const Kernel& kernel_;
  Tiles tiles_;
  Starts starts_;
};

// A line that is one tile, as in most small calls: there is nothing to share.
void run_one_tile(const ScanWork& work) {
  const Plan& plan = work.plan;
  const Kernel& kernel = isa().kernel(work.op, work.dtype);
  Tiling tiling{.width = 1,
                .unit = 1,
                .per_row = 1,
                .panels = 1,
                .tile = plan.length.extent,
                .tiles = 1,
                .chained = false};
  Tiles tiles(plan, tiling, kernel, work.dtype, work.in->data(), work.in_offset,
              work.out->data(), false);
  Starts starts(work.initial, work.op, work.dtype, plan, kernel);
  Panel line{plan.in_start, plan.out_start, 1};
  Tile tile = tiles.rows(line, 0, plan.length.extent);
  AlignedBuffer carry(kernel.carry_size(1));
  starts.set(carry.data(), line);
  if (work.include_initial) starts.store(carry.data(), tile);
  kernel.scan(tile, carry.data(), nullptr, work.inclusive);
}

}  // namespace

void run_scan(const ScanWork& work) {
  if (work.reset) return run_segments(work);
  if (are_singles(work)) return run_singles(work);
  if (is_one_tile(work.plan, work.dtype)) return run_one_tile(work);
  are_slabs(work) ? run_slabs(work) : Scan(work).run();
}

}  // namespace upsweep
