// How threads share the gradients of a recurrence. Lines are cut into blocks as
// those of the recurrence.
//
// Where neighbouring lines are lanes, a thread walks along its lines and keeps
// the numbers that enter each block; then it walks back and computes both
// gradients, a block at a time.
//
// Otherwise, each lane of a block is first reduced to what it makes of the
// numbers that enter it from either end, which tells what every lane starts
// with; then both gradients are computed.
//
// Between blocks, numbers that doubles may not hold have an exponent that
// cannot overflow; lanes that leave double's range on the way are computed by
// the exact path.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "../host/memory.h"
#include "adjoint_exact.h"
#include "isa.h"
#include "recurrence_tiling.h"
#include "share_pieces.h"

namespace upsweep {

namespace {

// With this many panels for each thread, each thread takes whole panels.
constexpr int64_t kPanelsPerThread = 4;
// Numbers that a lane starts with in doubles have such exponents.
constexpr int64_t kNearExponents = 400;
// Rows of a block of columns: rows of a matrix can be a power of two apart, and
// then compete for a few places of the caches.
constexpr int64_t kColumnRows = 16;

class Adjoint {
 public:
  explicit Adjoint(const AdjointWork& work)
      : work_(work),
        plan_(work.plan),
        inclusive_(work.inclusive),
        kernel_(isa().adjoint(work.dtype)),
        exact_(work.dtype, work.inclusive),
        tiling_(work, kernel_.lanes),
        streaming_(is_streamed(work.out->nbytes())) {}

  void run() {
    int64_t elements = plan_.elements();
    if (elements == 0) return;
    int threads = threads_for(elements);
    int64_t panels = tiling_.panels, tiles = tiling_.tiles;
    if (!tiling_.reduces) return run_in_order(threads);
    bool whole = threads == 1 || panels >= threads * kPanelsPerThread;
    // Here, because threads of the pool may not throw.
    for (int i = 0; i < threads; ++i) {
      scratch_.push_back(std::make_unique<Scratch>());
      if (whole) scratch_.back()->lanes.resize(lanes_of_panel());
      scratch_.back()->stops.reserve(static_cast<size_t>(tiles) *
                                     static_cast<size_t>(tiling_.blocks()));
      scratch_.back()->numbers.resize(static_cast<size_t>(tiling_.width));
    }
    if (whole) {
      share(panels, [&](int64_t p, Scratch& mine) {
        Panel panel = tiling_.find_panel(p);
        Lane* lanes = mine.lanes.data();
        for (int64_t t = 0; t < tiles; ++t) reduce_tile(panel, t, lanes, mine);
        carry(panel, lanes, mine);
        for (int64_t t = 0; t < tiles; ++t) scan_tile(panel, t, lanes, mine);
      });
      return;
    }
    std::vector<Lane> lanes(static_cast<size_t>(panels) * lanes_of_panel());
    auto lanes_of = [&](int64_t p) {
      return lanes.data() + static_cast<size_t>(p) * lanes_of_panel();
    };
    auto each_tile = [&](auto pass) {
      share(panels * tiles, [&](int64_t i, Scratch& mine) {
        int64_t p = i / tiles;
        (this->*pass)(tiling_.find_panel(p), i % tiles, lanes_of(p), mine);
      });
    };
    each_tile(&Adjoint::reduce_tile);
    share(panels, [&](int64_t p, Scratch& mine) {
      carry(tiling_.find_panel(p), lanes_of(p), mine);
    });
    each_tile(&Adjoint::scan_tile);
  }

 private:
  using Number = ExactAdjoint::Number;
  using Panel = RecurrenceTiling::Panel;

  // First what a lane of a block makes of the numbers before it, then those
  // numbers.
  struct Lane {
    Number product, h, g;
  };
  // The numbers of neighbouring lines. Those that only the exact path takes are
  // NaN in doubles. They are apart, and most of their memory is never touched.
  struct LineNumbers {
    LaneNumbers& doubles;
    Number* exact;

    Number get(int l) const {
      double x = doubles.part[l];
      if (std::isnan(x)) return exact[l];
      Number number{{x}};
      if (number.is_finite()) number.normalise();
      return number;
    }
    void set(int l, const Number& x) const {
      exact[l] = x;
      doubles.part[l] = is_near(x) ? scaled(x.part[0], x.exponent)
                                   : std::numeric_limits<double>::quiet_NaN();
    }
  };
  struct LinesNumbers {
    explicit LinesNumbers(int64_t groups)
        : doubles(std::make_unique_for_overwrite<LaneNumbers[]>(
              static_cast<size_t>(groups))),
          exact(std::make_unique_for_overwrite<Exacts[]>(
              static_cast<size_t>(groups))) {}
    LineNumbers of(int64_t group) const {
      return {doubles[static_cast<size_t>(group)],
              exact[static_cast<size_t>(group)].numbers};
    }

   private:
    struct Exacts {
      // Without an initialiser, which would write them all.
      Exacts() {}
      union {
        Number numbers[kMaxLanes];
      };
    };
    std::unique_ptr<LaneNumbers[]> doubles;
    std::unique_ptr<Exacts[]> exact;
  };
  // A block on the way down a panel.
  struct Stop {
    AdjointBlock block;
    int64_t line;  // that of the first lane
    Lane* lanes;
  };
  // The memory of one thread.
  struct Scratch {
    AdjointRows rows;
    std::vector<Lane> lanes;      // of a panel
    std::vector<Stop> stops;      // likewise
    std::vector<Number> numbers;  // of its lines
    // In order: the h before each block, and what lines have come to.
    std::unique_ptr<LinesNumbers> before, h, g;
  };

  size_t lanes_of_tile() const {
    return static_cast<size_t>(tiling_.blocks() * kernel_.lanes);
  }
  size_t lanes_of_panel() const {
    return static_cast<size_t>(tiling_.tiles) * lanes_of_tile();
  }

  template <class Fn>
  void share(int64_t count, const Fn& fn) {
    share_pieces(count, scratch_, fn, [this] {
      if (streaming_) kernel_.order_streams();
    });
  }

  int64_t block_rows() const {
    return std::abs(plan_.length.step[RecurrencePlan::out]) > 1 ? kColumnRows
                                                                : kBlockRows;
  }

  void run_in_order(int threads) {
    int64_t blocks = ceil_div(plan_.length.extent, block_rows());
    int64_t groups = tiling_.groups;
    for (int i = 0; i < threads; ++i) {
      scratch_.push_back(std::make_unique<Scratch>());
      Scratch& mine = *scratch_.back();
      mine.before = std::make_unique<LinesNumbers>(blocks * groups);
      mine.h = std::make_unique<LinesNumbers>(groups);
      mine.g = std::make_unique<LinesNumbers>(groups);
    }
    share(tiling_.panels, [&](int64_t p, Scratch& mine) {
      Panel panel = tiling_.find_panel(p);
      for (int64_t group = 0; group < groups; ++group) {
        mine.h->of(group).doubles = mine.g->of(group).doubles = LaneNumbers{};
      }
      // Calls fn(block, its group, the h before it) for the blocks of some
      // rows.
      auto each_group = [&](int64_t i, const auto& fn) {
        int64_t first = i * block_rows();
        int64_t rows = std::min(block_rows(), plan_.length.extent - first);
        tiling_.for_groups(panel, first, rows, 0,
                           [&](const RecurrenceBlock& block, int64_t group) {
                             fn(with_cotangent(block), group,
                                mine.before->of(i * groups + group));
                           });
      };
      for (int64_t i = 0; i < blocks; ++i) {
        each_group(i, [&](const AdjointBlock& block, int64_t group,
                          const LineNumbers& before) {
          const LineNumbers h = mine.h->of(group);
          before.doubles = h.doubles;
          advance_lines(block, before, h, mine);
        });
      }
      for (int64_t i = blocks; i-- > 0;) {
        each_group(i, [&](const AdjointBlock& block, int64_t group,
                          const LineNumbers& before) {
          scan_lines(block, before, mine.g->of(group), mine);
        });
      }
    });
  }

  // Advances h, which is the one before the block.
  void advance_lines(const AdjointBlock& block, const LineNumbers& before,
                     const LineNumbers& h, Scratch& mine) const {
    LaneSet within = kernel_.advance(block, mine.rows, h.doubles);
    if (is_all(within, block)) return;
    for (int l = 0; l < block.lanes; ++l) {
      if (within >> l & 1) continue;
      if (std::isnan(before.doubles.part[l])) before.exact[l] = h.exact[l];
      h.set(l, exact_.walk_along(block, l, before.get(l)));
    }
  }

  // Writes both gradients of a block, and advances g.
  void scan_lines(const AdjointBlock& block, const LineNumbers& before,
                  const LineNumbers& g, Scratch& mine) const {
    AdjointStarts numbers{before.doubles, g.doubles};
    kernel_.load(block, mine.rows);
    LaneSet within =
        kernel_.scan(block, mine.rows, numbers, inclusive_, streaming_);
    if (is_all(within, block)) {
      g.doubles = numbers.g;
      return;
    }
    for (int l = 0; l < block.lanes; ++l) {
      if (within >> l & 1) {
        g.doubles.part[l] = numbers.g.part[l];
      } else {
        g.set(l, exact_.scan(block, l, before.get(l), g.get(l)));
      }
    }
  }

  static bool is_all(LaneSet set, const AdjointBlock& block) {
    LaneSet all = (LaneSet{1} << block.lanes) - 1;
    return (set & all) == all;
  }

  AdjointBlock with_cotangent(const RecurrenceBlock& block) const {
    auto itemsize = static_cast<int64_t>(work_.dtype.size());
    auto* out = static_cast<char*>(work_.out->data());
    auto* c = static_cast<const char*>(work_.cotangent.storage->data()) +
              work_.cotangent.offset * itemsize;
    char* to = static_cast<char*>(block.out);
    return {block, c + (to - out), to + plan_.elements() * itemsize};
  }

  // Calls fn(block, group, its lanes) for the blocks of a tile.
  template <class Fn>
  void each_block(const Panel& panel, int64_t t, Lane* lanes,
                  const Fn& fn) const {
    int64_t first = t * tiling_.tile;
    int64_t last = std::min(first + tiling_.tile, plan_.length.extent);
    Lane* here = lanes + static_cast<size_t>(t) * lanes_of_tile();
    tiling_.for_blocks(panel, first, last,
                       [&](const RecurrenceBlock& block, int64_t group) {
                         fn(with_cotangent(block), group, here);
                         here += kernel_.lanes;
                       });
  }

  void reduce_tile(const Panel& panel, int64_t t, Lane* lanes,
                   Scratch& mine) const {
    each_block(
        panel, t, lanes, [&](const AdjointBlock& block, int64_t, Lane* of) {
          AdjointSummary summary;
          kernel_.load(block, mine.rows);
          LaneSet within =
              kernel_.reduce(block, mine.rows, inclusive_, summary);
          for (int l = 0; l < block.lanes; ++l) {
            if (within >> l & 1) {
              of[l] = {number_of(summary.product, l),
                       number_of(summary.along, l), number_of(summary.back, l)};
            } else {
              of[l] = {exact_.multiply(block, l),
                       exact_.walk_along(block, l, {}),
                       exact_.walk_back(block, l, {})};
            }
          }
        });
  }

  static Number number_of(const LaneNumbers& numbers, int lane) {
    Number x{{numbers.part[lane]}};
    x.normalise();
    return x;
  }

  // Replaces what lanes make of numbers by those that they start with.
  void carry(const Panel& panel, Lane* lanes, Scratch& mine) const {
    std::vector<Stop>& stops = mine.stops;
    stops.clear();
    for (int64_t t = 0; t < tiling_.tiles; ++t) {
      each_block(panel, t, lanes,
                 [&](const AdjointBlock& block, int64_t group, Lane* of) {
                   stops.push_back({block, group * kernel_.lanes, of});
                 });
    }
    auto number_of_line = [&](const Stop& stop, int l) -> Number& {
      size_t line =
          tiling_.lines_are_lanes ? static_cast<size_t>(stop.line + l) : 0;
      return mine.numbers[line];
    };
    std::fill(mine.numbers.begin(), mine.numbers.end(), Number{});
    for (const Stop& stop : stops) {
      for (int l = 0; l < stop.block.lanes; ++l) {
        Number& h = number_of_line(stop, l);
        Lane& lane = stop.lanes[l];
        Number after = is_affine(lane.product, lane.h, h)
                           ? advance(lane.product, h, lane.h)
                           : exact_.walk_along(stop.block, l, h);
        lane.h = h;
        h = after;
      }
    }
    // Gradients come from the other end.
    std::fill(mine.numbers.begin(), mine.numbers.end(), Number{});
    for (auto stop = stops.rbegin(); stop != stops.rend(); ++stop) {
      for (int l = stop->block.lanes; l-- > 0;) {
        Number& g = number_of_line(*stop, l);
        Lane& lane = stop->lanes[l];
        Number after = is_affine(lane.product, lane.g, g)
                           ? advance(lane.product, g, lane.g)
                           : exact_.walk_back(stop->block, l, g);
        lane.g = g;
        g = after;
      }
    }
  }

  // Infinities do not associate.
  static bool is_affine(const Number& product, const Number& sum,
                        const Number& before) {
    return product.is_finite() && sum.is_finite() && before.is_finite();
  }

  void scan_tile(const Panel& panel, int64_t t, Lane* lanes,
                 Scratch& mine) const {
    each_block(
        panel, t, lanes, [&](const AdjointBlock& block, int64_t, Lane* of) {
          AdjointStarts starts{};
          LaneSet within = 0;
          for (int l = 0; l < block.lanes; ++l) {
            const Number &h = of[l].h, &g = of[l].g;
            if (!is_near(h) || !is_near(g)) continue;
            within |= LaneSet{1} << l;
            starts.h.part[l] = scaled(h.part[0], h.exponent);
            starts.g.part[l] = scaled(g.part[0], g.exponent);
          }
          kernel_.load(block, mine.rows);
          within &=
              kernel_.scan(block, mine.rows, starts, inclusive_, streaming_);
          for (int l = 0; l < block.lanes; ++l) {
            if (within >> l & 1) continue;
            exact_.scan(block, l, of[l].h, of[l].g);
          }
        });
  }

  static bool is_near(const Number& x) {
    return x.is_finite() && std::abs(x.exponent) <= kNearExponents;
  }

  const AdjointWork& work_;
  const RecurrencePlan& plan_;
  bool inclusive_;
  const AdjointKernel& kernel_;
  ExactAdjoint exact_;
  RecurrenceTiling tiling_;
  bool streaming_;
  std::vector<std::unique_ptr<Scratch>> scratch_;
};

}  // namespace

void run_adjoint(const AdjointWork& work) { Adjoint(work).run(); }

}  // namespace upsweep
