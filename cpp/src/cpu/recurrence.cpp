// How threads share a recurrence. Neighbouring lines are the lanes of a block,
// element after element. The stripes of a long line are lanes, too: each is
// first reduced to what it makes of the number before it, which tells what the
// next one starts with. Where there are few lines, threads take tiles in order
// and hand on the numbers between them: each reduces its tile, waits for the
// numbers that enter it, hands on those that leave it, and computes the tile
// from the rows that it kept.
//
// Lanes that may leave double's range are computed by the exact path. The bits
// of a result do not depend on threads: what leaves a reduced block always
// comes from its summary, if that holds.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "../core/backend.h"
#include "../host/memory.h"
#include "../host/pool.h"
#include "isa.h"
#include "recurrence_exact.h"
#include "recurrence_tiling.h"

namespace upsweep {

namespace {

// With this many panels for each thread, tiles need not be handed on.
constexpr int64_t kPanelsPerThread = 4;
// Elements of panels that a thread takes at once.
constexpr int64_t kGrain = 1 << 14;

using Plan = RecurrencePlan;
using Panel = RecurrenceTiling::Panel;

// The numbers of up to kMaxLanes lines. Those that only the exact path takes
// are NaN in h.
struct Numbers {
  explicit Numbers(int64_t groups)
      : h(static_cast<size_t>(groups)),
        exact(static_cast<size_t>(groups) * kMaxLanes) {}
  std::vector<LaneNumbers> h;  // a group of lines in each
  std::vector<RecurrenceState> exact;
};

class Recurrence {
 public:
  explicit Recurrence(const RecurrenceWork& work)
      : work_(work),
        plan_(work.plan),
        kernel_(isa().recurrence(work.dtype)),
        exact_(exact_recurrence(work.dtype)),
        tiling_(work, kernel_.lanes),
        itemsize_(static_cast<int64_t>(work.dtype.size())),
        parts_(work.dtype == complex64 ? 2 : 1),
        streaming_(is_streamed(work.out->nbytes())) {}

  void run() {
    int64_t elements = plan_.elements();
    if (elements == 0) return;
    int threads = threads_for(elements);
    if (threads == 1 || !tiling_.reduces || tiling_.tiles == 1 ||
        tiling_.panels >= threads * kPanelsPerThread) {
      run_panels(threads, elements);
    } else {
      run_chains(threads);
    }
  }

 private:
  // A block between its passes.
  struct Loaded {
    RecurrenceRows rows;
    RecurrenceSummary summary;
  };
  // The memory of one thread.
  struct Scratch {
    Scratch(int64_t count, int64_t groups)
        : blocks(static_cast<size_t>(count)),
          numbers(groups),
          after(static_cast<size_t>(groups)) {}
    std::vector<Loaded> blocks;
    Numbers numbers;
    std::vector<LaneNumbers> after;  // some rows of columns
  };
  // The numbers on their way down one panel. Only the thread with tile `done`
  // touches them.
  struct Chain {
    explicit Chain(int64_t groups) : numbers(groups) {}
    alignas(64) std::atomic<int64_t> done{0};
    Numbers numbers;
  };

  void run_panels(int threads, int64_t elements) {
    int64_t grain =
        std::max<int64_t>(1, kGrain / (elements / tiling_.panels + 1));
    std::atomic<int64_t> taken{0};
    share(threads, 1, [&](Scratch& mine) {
      for (int64_t first; (first = taken.fetch_add(grain)) < tiling_.panels;) {
        int64_t last = std::min(first + grain, tiling_.panels);
        for (int64_t p = first; p < last; ++p) run_panel(p, mine);
      }
    });
  }

  void run_panel(int64_t p, Scratch& mine) const {
    Panel panel = tiling_.find_panel(p);
    init(panel, mine.numbers);
    if (tiling_.direct) return scan_columns(panel, mine);
    tiling_.for_blocks(panel, 0, plan_.length.extent,
                       [&](const RecurrenceBlock& block, int64_t group) {
                         load_and_scan(block, group, mine);
                       });
  }

  void run_chains(int threads) {
    std::vector<std::unique_ptr<Chain>> chains;
    for (int64_t p = 0; p < tiling_.panels; ++p) {
      chains.push_back(std::make_unique<Chain>(tiling_.groups));
      init(tiling_.find_panel(p), chains.back()->numbers);
    }
    // Tiles are taken in order, so that the first that is not done waits for
    // nothing.
    std::atomic<int64_t> taken{0};
    share(threads, tiling_.blocks(), [&](Scratch& mine) {
      int64_t panels = tiling_.panels;
      for (int64_t t; (t = taken.fetch_add(1)) < panels * tiling_.tiles;) {
        scan_chained(*chains[static_cast<size_t>(t % panels)],
                     tiling_.find_panel(t % panels), t / panels, mine);
      }
    });
  }

  void scan_chained(Chain& chain, const Panel& panel, int64_t t,
                    Scratch& mine) const {
    // Calls fn for each block of the tile and what is kept of it.
    auto each_block = [&](const auto& fn) {
      int64_t first = t * tiling_.tile;
      int64_t last = std::min(first + tiling_.tile, plan_.length.extent);
      Loaded* loaded = mine.blocks.data();
      tiling_.for_blocks(panel, first, last,
                         [&](const RecurrenceBlock& block, int64_t group) {
                           fn(block, group, *loaded++);
                         });
    };
    each_block([&](const RecurrenceBlock& block, int64_t, Loaded& loaded) {
      kernel_.load(block, loaded.rows);
      kernel_.reduce(block, loaded.rows, loaded.summary);
    });
    for (int spins = 0; chain.done.load(std::memory_order_acquire) != t;
         ++spins) {
      // The wait is short unless the thread ahead has lost its processor.
      if (spins > 1000) std::this_thread::yield();
    }
    mine.numbers = chain.numbers;
    bool predicted = true;
    each_block(
        [&](const RecurrenceBlock& block, int64_t group, Loaded& loaded) {
          predicted =
              predicted && advance(block, chain.numbers, group, loaded.summary);
        });
    if (predicted) chain.done.store(t + 1, std::memory_order_release);
    each_block(
        [&](const RecurrenceBlock& block, int64_t group, Loaded& loaded) {
          scan(block, mine.numbers, group, loaded);
        });
    if (predicted) return;
    chain.numbers = mine.numbers;
    chain.done.store(t + 1, std::memory_order_release);
  }

  // Calls fn on some threads, with memory of their own for some blocks.
  template <class Fn>
  void share(int threads, int64_t blocks, const Fn& fn) {
    std::vector<std::unique_ptr<Scratch>> scratch;
    for (int i = 0; i < threads; ++i) {
      scratch.push_back(std::make_unique<Scratch>(blocks, tiling_.groups));
    }
    std::atomic<size_t> taken{0};
    pool().run(threads, [&] {
      fn(*scratch[taken.fetch_add(1)]);
      if (streaming_) kernel_.order_streams();
    });
  }

  // Computes a panel of columns where they lie, the lanes of its last group
  // apart if they are fewer.
  void scan_columns(const Panel& panel, Scratch& mine) const {
    int64_t length = plan_.length.extent;
    auto load_rows = [&](const Panel& of, int64_t first, int64_t rows,
                         int64_t from_group) {
      tiling_.for_groups(of, first, rows, from_group,
                         [&](const RecurrenceBlock& block, int64_t group) {
                           load_and_scan(block, group, mine);
                         });
    };
    int64_t whole = panel.width / kernel_.lanes;
    for (int64_t first = 0; first < length; first += kBlockRows) {
      load_rows(panel, first, std::min(kBlockRows, length - first), whole);
    }
    Panel lanes{panel.at, whole * kernel_.lanes};
    for (int64_t first = 0, rows; whole > 0 && first < length; first += rows) {
      rows = std::min(tiling_.direct_rows, length - first);
      if (rows < tiling_.direct_rows) rows = 1;
      if (kernel_.scan_columns(tiling_.columns(lanes, first, rows),
                               mine.numbers.h.data(), mine.after.data(),
                               work_.inclusive)) {
        mine.numbers.h.swap(mine.after);
      } else {
        rows = std::min(kBlockRows, length - first);
        load_rows(lanes, first, rows, 0);
      }
    }
  }

  void load_and_scan(const RecurrenceBlock& block, int64_t group,
                     Scratch& mine) const {
    Loaded& loaded = mine.blocks[0];
    kernel_.load(block, loaded.rows);
    if (tiling_.reduces) kernel_.reduce(block, loaded.rows, loaded.summary);
    scan(block, mine.numbers, group, loaded);
  }

  // Computes a loaded block from the numbers before it, and advances them.
  void scan(const RecurrenceBlock& block, Numbers& numbers, int64_t group,
            const Loaded& loaded) const {
    if (!tiling_.lines_are_lanes) return scan_stripes(block, numbers, loaded);
    LaneNumbers& h = numbers.h[static_cast<size_t>(group)];
    LaneNumbers after = h;
    LaneSet advanced = ~LaneSet{0};
    if (tiling_.reduces)
      advanced = kernel_.advance_lanes(loaded.summary, after);
    LaneNumbers before = h;
    LaneSet within =
        kernel_.scan(block, loaded.rows, h, work_.inclusive, streaming_);
    if (tiling_.reduces) h = before;
    LaneSet all = (LaneSet{1} << block.lanes) - 1;
    if (!tiling_.reduces && (within & all) == all) return;
    for (int l = 0; l < block.lanes; ++l) {
      int64_t line = group * kernel_.lanes + l;
      if (!(within & advanced & LaneSet{1} << l)) {
        scan_exactly(block, l, numbers, line);
      }
      if (tiling_.reduces && (advanced >> l & 1)) {
        double* part = h.part + l * parts_;
        std::copy_n(after.part + l * parts_, parts_, part);
      }
    }
  }

  // The same where lanes are stripes.
  void scan_stripes(const RecurrenceBlock& block, Numbers& numbers,
                    const Loaded& loaded) const {
    LaneNumbers starts;
    double end[2];
    std::copy_n(numbers.h[0].part, 2, end);
    if (!kernel_.advance_line(loaded.summary, block.lanes, end, starts)) {
      RecurrenceState state = get(numbers, 0);
      for (int l = 0; l < block.lanes; ++l) scan_exactly(block, l, state);
      return set(numbers, 0, state);
    }
    LaneNumbers h = starts;
    LaneSet within =
        kernel_.scan(block, loaded.rows, h, work_.inclusive, streaming_);
    for (int l = 0; l < block.lanes; ++l) {
      if (within >> l & 1) continue;
      const double* part = starts.part + l * parts_;
      RecurrenceState state{{part[0], parts_ == 2 ? part[1] : 0}, 0};
      scan_exactly(block, l, state);
    }
    std::copy_n(end, 2, numbers.h[0].part);
  }

  // Advances numbers over a reduced block, if its summary holds for them.
  bool advance(const RecurrenceBlock& block, Numbers& numbers, int64_t group,
               const RecurrenceSummary& summary) const {
    LaneNumbers& h = numbers.h[static_cast<size_t>(group)];
    if (!tiling_.lines_are_lanes) {
      LaneNumbers starts;
      return kernel_.advance_line(summary, block.lanes, h.part, starts);
    }
    LaneSet all = (LaneSet{1} << block.lanes) - 1;
    return (kernel_.advance_lanes(summary, h) & all) == all;
  }

  // Computes lane l of a block, a line of the panel, element by element.
  void scan_exactly(const RecurrenceBlock& block, int l, Numbers& numbers,
                    int64_t line) const {
    RecurrenceState state = get(numbers, line);
    scan_exactly(block, l, state);
    set(numbers, line, state);
  }
  void scan_exactly(const RecurrenceBlock& block, int l,
                    RecurrenceState& state) const {
    auto element = [&](const void* from, int64_t lane) {
      return static_cast<const char*>(from) + l * lane * itemsize_;
    };
    exact_.scan({element(block.a, block.a_lane), element(block.b, block.b_lane),
                 block.reset ? block.reset + l * block.out_lane : nullptr,
                 const_cast<char*>(element(block.out, block.out_lane)),
                 block.a_step, block.b_step, block.out_step, block.rows},
                state, work_.inclusive);
  }

  double* part(Numbers& numbers, int64_t line) const {
    LaneNumbers& h = numbers.h[static_cast<size_t>(line / kernel_.lanes)];
    return h.part + line % kernel_.lanes * parts_;
  }
  RecurrenceState get(Numbers& numbers, int64_t line) const {
    const double* h = part(numbers, line);
    if (std::isnan(h[0])) return numbers.exact[static_cast<size_t>(line)];
    return {{h[0], parts_ == 2 ? h[1] : 0}, 0};
  }
  void set(Numbers& numbers, int64_t line, const RecurrenceState& state) const {
    double* h = part(numbers, line);
    std::copy_n(state.part, parts_, h);
    double size = std::max(std::abs(state.part[0]), std::abs(state.part[1]));
    bool fits = size == 0 || (kernel_.low <= size && size <= kernel_.high);
    if (!fits || state.exponent != 0) {
      h[0] = std::numeric_limits<double>::quiet_NaN();
    }
    numbers.exact[static_cast<size_t>(line)] = state;
  }

  // The numbers that the lines of a panel start with.
  void init(const Panel& panel, Numbers& numbers) const {
    std::fill(numbers.h.begin(), numbers.h.end(), LaneNumbers{});
    if (!work_.initial.storage) return;
    auto* from = static_cast<const char*>(work_.initial.storage->data());
    int64_t at = work_.initial.offset + panel.at[Plan::initial];
    for (int64_t i = 0; i < panel.width; ++i) {
      set(numbers, i, exact_.load(from + at * itemsize_));
      at += plan_.inner.step[Plan::initial];
    }
  }

  const RecurrenceWork& work_;
  const Plan& plan_;
  const RecurrenceKernel& kernel_;
  const ExactRecurrence& exact_;
  RecurrenceTiling tiling_;
  int64_t itemsize_;
  int parts_;
  bool streaming_;
};

}  // namespace

void run_recurrence(const RecurrenceWork& work) { Recurrence(work).run(); }

}  // namespace upsweep
