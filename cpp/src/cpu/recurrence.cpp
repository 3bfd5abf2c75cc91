// How threads share a recurrence. Neighbouring lines are the lanes of a block,
// element after element. The segments of a long line are lanes, too: each is
// first reduced to what it makes of the number before it, which tells what the
// next one starts with. Where there are few lines, threads take tiles in order
// and hand on the numbers between them: each reduces its tile, waits for the
// numbers that enter it, hands on those that leave it, and computes the tile
// from the cache.
//
// Lanes that may leave double's range are computed by the exact path. The bits
// of a result do not depend on threads: blocks and tiles depend on shape,
// strides and dtype only, and what leaves a reduced block always comes from its
// summary, if that holds.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "../core/backend.h"
#include "../host/pool.h"
#include "isa.h"
#include "recurrence_exact.h"

namespace upsweep {

namespace {

// Bytes of a tile in each array.
constexpr int64_t kTileBytes = 1 << 16;
// The most bytes of the neighbouring lines of a panel in one row.
constexpr int64_t kRowBytes = 1024;
// Lines that follow each other in memory are lanes where they are not longer
// than this.
constexpr int64_t kShortLine = 1024;
// From as many panels on, threads share panels.
constexpr int64_t kEnoughPanels = 16;
constexpr int64_t kPanelsPerThread = 4;
// Elements of panels that a thread takes at once.
constexpr int64_t kGrain = 1 << 14;

using Plan = RecurrencePlan;
using Offsets = std::array<int64_t, Plan::kArrays>;

// The numbers of up to kMaxLanes lines. Those with an exponent are not in h.
struct Numbers {
  LaneNumbers h{};
  int64_t exponent[kMaxLanes] = {};
};

class Recurrence {
 public:
  explicit Recurrence(const RecurrenceWork& work)
      : work_(work),
        plan_(work.plan),
        kernel_(isa().recurrence(work.dtype)),
        exact_(exact_recurrence(work.dtype)),
        itemsize_(static_cast<int64_t>(work.dtype.size())),
        parts_(work.dtype == complex64 ? 2 : 1),
        columns_(std::abs(plan_.length.step[Plan::out]) > 1) {
    int64_t lines = plan_.inner.extent, length = plan_.length.extent;
    if (columns_) {
      width_ = std::min(lines, kRowBytes / itemsize_);
    } else if (length <= kShortLine && lines >= kernel_.lanes / 2) {
      width_ = std::min<int64_t>(lines, kernel_.lanes);
    } else {
      width_ = 1;
    }
    lines_are_lanes_ = columns_ || width_ > 1;
    groups_ = ceil_div(width_, kernel_.lanes);
    panels_ = plan_.outer_size * ceil_div(lines, width_);
    // Whole blocks, so that they are the same whether tiles count or not.
    int64_t blocks = kTileBytes / itemsize_ / width_ / kBlockRows;
    tile_ = std::max<int64_t>(1, blocks) * kBlockRows;
    tiles_ = ceil_div(length, tile_);
    reduces_ = !lines_are_lanes_ ||
               (columns_ && panels_ < kEnoughPanels && tiles_ > 1);
  }

  void run() {
    int64_t elements = plan_.elements();
    if (elements == 0) return;
    int threads = threads_for(elements);
    if (threads == 1 || !reduces_ || tiles_ == 1 ||
        panels_ >= threads * kPanelsPerThread) {
      run_panels(threads, elements);
    } else {
      run_chains(threads);
    }
  }

 private:
  // Where the first line of a panel starts, and how many lines it has.
  struct Panel {
    Offsets at;
    int64_t width;
  };
  // A block, and which lines of the panel it belongs to.
  struct Position {
    RecurrenceBlock block;
    size_t group;
  };
  // The memory of one thread.
  struct Scratch {
    RecurrenceRows rows;
    std::vector<Numbers> numbers;
    std::vector<RecurrenceSummary> summaries;
  };
  // The numbers on their way down one panel. Only the thread with tile `done`
  // touches them.
  struct Chain {
    alignas(64) std::atomic<int64_t> done{0};
    std::vector<Numbers> numbers;
  };

  void run_panels(int threads, int64_t elements) {
    int64_t grain = std::max<int64_t>(1, kGrain / (elements / panels_ + 1));
    std::atomic<int64_t> taken{0};
    share(threads, [&](Scratch& mine) {
      for (int64_t first; (first = taken.fetch_add(grain)) < panels_;) {
        for (int64_t p = first; p < std::min(first + grain, panels_); ++p) {
          Panel panel = find_panel(p);
          init(panel, mine.numbers);
          for_blocks(panel, 0, plan_.length.extent, [&](const Position& at) {
            kernel_.load(at.block, mine.rows);
            if (reduces_)
              kernel_.reduce(at.block, mine.rows, mine.summaries[0]);
            scan(at, mine.numbers[at.group], mine.rows, mine.summaries[0]);
          });
        }
      }
    });
  }

  void run_chains(int threads) {
    std::vector<Chain> chains(static_cast<size_t>(panels_));
    for (int64_t p = 0; p < panels_; ++p) {
      Chain& chain = chains[static_cast<size_t>(p)];
      chain.numbers.resize(static_cast<size_t>(groups_));
      init(find_panel(p), chain.numbers);
    }
    // Tiles are taken in order, so that the first that is not done waits for
    // nothing.
    std::atomic<int64_t> taken{0};
    share(threads, [&](Scratch& mine) {
      for (int64_t t; (t = taken.fetch_add(1)) < panels_ * tiles_;) {
        int64_t p = t % panels_;
        scan_chained(chains[static_cast<size_t>(p)], find_panel(p), t / panels_,
                     mine);
      }
    });
  }

  void scan_chained(Chain& chain, const Panel& panel, int64_t t,
                    Scratch& mine) const {
    int64_t first = t * tile_;
    int64_t last = std::min(first + tile_, plan_.length.extent);
    RecurrenceSummary* summary = mine.summaries.data();
    for_blocks(panel, first, last, [&](const Position& at) {
      kernel_.load(at.block, mine.rows);
      kernel_.reduce(at.block, mine.rows, *summary++);
    });
    for (int spins = 0; chain.done.load(std::memory_order_acquire) != t;
         ++spins) {
      // The wait is short unless the thread ahead has lost its processor.
      if (spins > 1000) std::this_thread::yield();
    }
    std::copy(chain.numbers.begin(), chain.numbers.end(), mine.numbers.begin());
    bool predicted = true;
    summary = mine.summaries.data();
    for_blocks(panel, first, last, [&](const Position& at) {
      predicted = predicted && advance(at, chain.numbers[at.group], *summary++);
    });
    if (predicted) chain.done.store(t + 1, std::memory_order_release);
    summary = mine.summaries.data();
    for_blocks(panel, first, last, [&](const Position& at) {
      kernel_.load(at.block, mine.rows);
      scan(at, mine.numbers[at.group], mine.rows, *summary++);
    });
    if (predicted) return;
    std::copy(mine.numbers.begin(), mine.numbers.end(), chain.numbers.begin());
    chain.done.store(t + 1, std::memory_order_release);
  }

  // Calls fn on some threads, with memory of their own.
  template <class Fn>
  void share(int threads, const Fn& fn) {
    int64_t blocks = 1;
    if (reduces_) blocks += tile_ * width_ / kernel_.lanes;
    std::vector<std::unique_ptr<Scratch>> scratch;
    for (int i = 0; i < threads; ++i) {
      scratch.push_back(std::make_unique<Scratch>());
      scratch.back()->numbers.resize(static_cast<size_t>(groups_));
      scratch.back()->summaries.resize(static_cast<size_t>(blocks));
    }
    std::atomic<size_t> taken{0};
    pool().run(threads, [&] { fn(*scratch[taken.fetch_add(1)]); });
  }

  // Computes a loaded block from the numbers before it, and advances them.
  void scan(const Position& at, Numbers& numbers, RecurrenceRows& rows,
            const RecurrenceSummary& summary) const {
    const RecurrenceBlock& block = at.block;
    const Numbers before = numbers;
    LaneNumbers h = starts(before);
    if (!lines_are_lanes_) {
      double end[2] = {h.part[0], h.part[1]};
      if (!kernel_.advance_line(summary, block.lanes, end, h)) {
        RecurrenceState state = get(numbers, 0);
        for (int l = 0; l < block.lanes; ++l) scan_exactly(block, l, state);
        set(numbers, 0, state);
        return;
      }
      const LaneNumbers segments = h;
      LaneSet within = kernel_.scan(block, rows, h, work_.inclusive);
      for (int l = 0; l < block.lanes; ++l) {
        if (within >> l & 1) continue;
        RecurrenceState state = get({segments, {}}, l);
        scan_exactly(block, l, state);
      }
      set(numbers, 0, {{end[0], end[1]}, 0});
      return;
    }
    LaneSet within = kernel_.scan(block, rows, h, work_.inclusive);
    LaneSet advanced = within;
    if (reduces_) {
      h = starts(before);
      advanced = kernel_.advance_lanes(summary, h);
    }
    for (int l = 0; l < block.lanes; ++l) {
      RecurrenceState state = get(before, l);
      if (!(within & advanced & LaneSet{1} << l)) scan_exactly(block, l, state);
      if (advanced >> l & 1) state = get({h, {}}, l);
      set(numbers, l, state);
    }
  }

  // Advances numbers over a reduced block, if its summary holds for them.
  bool advance(const Position& at, Numbers& numbers,
               const RecurrenceSummary& summary) const {
    LaneNumbers h = starts(numbers);
    if (!lines_are_lanes_) {
      double end[2] = {h.part[0], h.part[1]};
      bool holds = kernel_.advance_line(summary, at.block.lanes, end, h);
      set(numbers, 0, {{end[0], end[1]}, 0});
      return holds;
    }
    LaneSet all = (LaneSet{1} << at.block.lanes) - 1;
    LaneSet advanced = kernel_.advance_lanes(summary, h);
    numbers = {h, {}};
    return (advanced & all) == all;
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

  RecurrenceState get(const Numbers& numbers, int l) const {
    const double* part = numbers.h.part + l * parts_;
    return {{part[0], parts_ == 2 ? part[1] : 0}, numbers.exponent[l]};
  }
  void set(Numbers& numbers, int l, const RecurrenceState& state) const {
    std::copy_n(state.part, parts_, numbers.h.part + l * parts_);
    numbers.exponent[l] = state.exponent;
  }
  // The numbers for the fast path, which does not touch lanes with a NaN.
  LaneNumbers starts(const Numbers& numbers) const {
    LaneNumbers h = numbers.h;
    for (int l = 0; l * parts_ < kMaxLanes; ++l) {
      if (numbers.exponent[l] == 0) continue;
      h.part[l * parts_] = std::numeric_limits<double>::quiet_NaN();
    }
    return h;
  }

  // The numbers that the lines of a panel start with.
  void init(const Panel& panel, std::vector<Numbers>& numbers) const {
    std::fill(numbers.begin(), numbers.end(), Numbers());
    if (!work_.initial.storage) return;
    const char* from =
        data(work_.initial) + panel.at[Plan::initial] * itemsize_;
    int64_t step = plan_.inner.step[Plan::initial] * itemsize_;
    for (int64_t i = 0; i < panel.width; ++i) {
      set(numbers[static_cast<size_t>(i / kernel_.lanes)],
          static_cast<int>(i % kernel_.lanes), exact_.load(from + i * step));
    }
  }

  Panel find_panel(int64_t index) const {
    int64_t per_row = ceil_div(plan_.inner.extent, width_);
    int64_t first = index % per_row * width_;
    int64_t row = index / per_row;
    Panel panel{plan_.start, std::min(width_, plan_.inner.extent - first)};
    auto move = [&](const Plan::Axis& axis, int64_t by) {
      for (size_t i = 0; i < panel.at.size(); ++i) {
        panel.at[i] += by * axis.step[i];
      }
    };
    move(plan_.inner, first);
    for (size_t i = plan_.outer.size(); i-- > 0;) {
      move(plan_.outer[i], row % plan_.outer[i].extent);
      row /= plan_.outer[i].extent;
    }
    return panel;
  }

  // Calls fn for the blocks of some elements of each line of a panel, in order.
  template <class Fn>
  void for_blocks(const Panel& panel, int64_t first, int64_t last,
                  const Fn& fn) const {
    int64_t lanes = kernel_.lanes;
    while (first < last) {
      if (lines_are_lanes_) {
        int64_t rows = std::min(kBlockRows, last - first);
        for (int64_t g = 0; g < ceil_div(panel.width, lanes); ++g) {
          int64_t line = g * lanes;
          fn(Position{block(panel, first, line, rows,
                            std::min(lanes, panel.width - line), plan_.inner),
                      static_cast<size_t>(g)});
        }
        first += rows;
        continue;
      }
      // After the whole blocks, segments are shorter: first multiples of 4,
      // which the transposition needs, then one short segment.
      int64_t rows = std::min(kBlockRows, (last - first) / lanes / 4 * 4);
      int64_t segments = rows > 0 ? lanes : 1;
      if (rows == 0) rows = std::min(kBlockRows, last - first);
      Plan::Axis segment = plan_.length;
      for (int64_t& step : segment.step) step *= rows;
      fn(Position{block(panel, first, 0, rows, segments, segment), 0});
      first += rows * segments;
    }
  }

  // `rows` elements from `first` on of `lanes` lanes of a panel, from lane
  // `lane` on.
  RecurrenceBlock block(const Panel& panel, int64_t first, int64_t lane,
                        int64_t rows, int64_t lanes,
                        const Plan::Axis& across) const {
    const auto& length = plan_.length.step;
    auto offset = [&](Plan::Array i) {
      return panel.at[i] + first * length[i] + lane * across.step[i];
    };
    return {
        data(work_.a) + offset(Plan::a) * itemsize_,
        data(work_.b) + offset(Plan::b) * itemsize_,
        work_.reset.storage ? reset() + offset(Plan::out) : nullptr,
        static_cast<char*>(work_.out->data()) + offset(Plan::out) * itemsize_,
        length[Plan::a],
        across.step[Plan::a],
        length[Plan::b],
        across.step[Plan::b],
        length[Plan::out],
        across.step[Plan::out],
        rows,
        static_cast<int>(lanes)};
  }

  const char* data(const RecurrenceWork::Input& input) const {
    return static_cast<const char*>(input.storage->data()) +
           input.offset * itemsize_;
  }
  const uint8_t* reset() const {
    return static_cast<const uint8_t*>(work_.reset.storage->data()) +
           work_.reset.offset;
  }

  const RecurrenceWork& work_;
  const Plan& plan_;
  const RecurrenceKernel& kernel_;
  const ExactRecurrence& exact_;
  int64_t itemsize_;
  int parts_;
  bool columns_;
  bool lines_are_lanes_;  // else segments are
  bool reduces_;          // blocks, before they are computed
  int64_t width_;         // lines of a panel
  int64_t groups_;        // of the lines of a panel
  int64_t panels_;
  int64_t tile_;  // elements of a line in one tile
  int64_t tiles_;
};

}  // namespace

void run_recurrence(const RecurrenceWork& work) { Recurrence(work).run(); }

}  // namespace upsweep
