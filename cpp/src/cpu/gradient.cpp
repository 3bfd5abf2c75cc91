// How threads share the derivative of a product. Lines are cut into blocks as
// those of a recurrence. Each lane of a block is first reduced to what it makes
// of the numbers before it, which tells what every lane starts with; then all
// are computed. Between blocks, numbers have an exponent that cannot overflow;
// lanes that leave double's range on the way are computed by the exact path.
#include <algorithm>
#include <memory>
#include <vector>

#include "../host/memory.h"
#include "gradient_exact.h"
#include "isa.h"
#include "recurrence_tiling.h"
#include "share_pieces.h"

namespace upsweep {

namespace {

// With this many panels for each thread, each thread takes whole panels.
constexpr int64_t kPanelsPerThread = 4;
// A number that terms of the block are added to has such an exponent, and so do
// all that a lane with resets starts with.
constexpr int64_t kNearExponents = 400;
// So may the exponents of the numbers that jvp starts with differ.
constexpr int64_t kMostApart = 300;
// A scale with a larger exponent, either way, takes every result that doubles
// hold out of the range of a narrow dtype.
constexpr int64_t kMostScale = 2000;

template <int parts>
class Gradient {
 public:
  explicit Gradient(const GradientWork& work)
      : kind_(work.kind),
        plan_(work.plan),
        inclusive_(work.inclusive),
        is_narrow_(work.dtype != float64),
        kernel_(isa().gradient(work.dtype, kind_)),
        exact_(work),
        tiling_(work, kernel_.lanes),
        streaming_(is_streamed(work.out->nbytes())) {}

  void run() {
    int64_t elements = plan_.elements();
    if (elements == 0) return;
    int threads = threads_for(elements);
    int64_t panels = tiling_.panels, tiles = tiling_.tiles;
    bool whole = threads == 1 || panels >= threads * kPanelsPerThread;
    // Here, because threads of the pool may not throw.
    for (int i = 0; i < threads; ++i) {
      scratch_.push_back(std::make_unique_for_overwrite<Scratch>());
      if (whole) scratch_.back()->lanes.resize(lanes_of_panel());
      if (!is_reduced()) continue;
      scratch_.back()->stops.reserve(static_cast<size_t>(tiles) *
                                     static_cast<size_t>(tiling_.blocks()));
      scratch_.back()->states.resize(static_cast<size_t>(tiling_.width));
    }
    if (whole) {
      share(panels, [&](int64_t p, Scratch& mine) {
        run_panel(tiling_.find_panel(p), mine);
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
    if (is_reduced()) {
      each_tile(&Gradient::reduce_tile);
      share(panels, [&](int64_t p, Scratch& mine) {
        carry(tiling_.find_panel(p), lanes_of(p), mine);
      });
    }
    each_tile(&Gradient::scan_tile);
  }

 private:
  using Exact = ExactGradient<parts>;
  using Number = typename Exact::Number;
  using State = typename Exact::State;
  using Panel = RecurrenceTiling::Panel;

  // First what a lane of a block makes of the numbers before it, then those
  // numbers.
  struct Lane {
    State numbers;
    bool has_terms = true;
    bool has_reset = false;
  };
  // A block on the way down a panel.
  struct Stop {
    RecurrenceBlock block;
    int64_t line;  // that of the first lane
    Lane* lanes;
  };
  // The memory of one thread.
  struct Scratch {
    GradientRows rows;
    std::vector<Lane> lanes;    // of a panel
    std::vector<Stop> stops;    // likewise
    std::vector<State> states;  // of its lines
  };

  // Whether lanes start with anything but 1 and 0.
  bool is_reduced() const {
    return !tiling_.lines_are_lanes || plan_.length.extent > kBlockRows;
  }
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

  // Calls fn(block, group, its lanes) for the blocks of a tile.
  template <class Fn>
  void each_block(const Panel& panel, int64_t t, Lane* lanes,
                  const Fn& fn) const {
    int64_t first = t * tiling_.tile;
    int64_t last = std::min(first + tiling_.tile, plan_.length.extent);
    Lane* here = lanes + static_cast<size_t>(t) * lanes_of_tile();
    tiling_.for_blocks(panel, first, last,
                       [&](const RecurrenceBlock& block, int64_t group) {
                         fn(block, group, here);
                         here += kernel_.lanes;
                       });
  }

  void run_panel(const Panel& panel, Scratch& mine) const {
    Lane* lanes = mine.lanes.data();
    if (is_reduced()) {
      for (int64_t t = 0; t < tiling_.tiles; ++t) {
        reduce_tile(panel, t, lanes, mine);
      }
      carry(panel, lanes, mine);
    } else {
      std::fill(mine.lanes.begin(), mine.lanes.end(), Lane{});
    }
    for (int64_t t = 0; t < tiling_.tiles; ++t) {
      scan_tile(panel, t, lanes, mine);
    }
  }

  // Finds the lanes with resets.
  static void find_resets(const RecurrenceBlock& block, Lane* of) {
    bool columns = block.out_lane == 1;
    uint8_t found[kMaxLanes] = {};
    for (int64_t s = 0; columns && s < block.rows; ++s) {
      const uint8_t* row = block.reset + s * block.out_step;
      for (int l = 0; l < block.lanes; ++l) found[l] |= row[l];
    }
    for (int l = 0; l < block.lanes; ++l) {
      const uint8_t* line = block.reset + l * block.out_lane;
      for (int64_t s = 0; !columns && s < block.rows; ++s) {
        found[l] |= line[s * block.out_step];
      }
      of[l].has_reset = found[l] != 0;
    }
  }
  // The block as the kernels take it, which are slower where there are resets.
  static RecurrenceBlock without_idle_resets(RecurrenceBlock block,
                                             const Lane* of) {
    auto has_reset = [](const Lane& lane) { return lane.has_reset; };
    if (std::none_of(of, of + block.lanes, has_reset)) block.reset = nullptr;
    return block;
  }

  void reduce_tile(const Panel& panel, int64_t t, Lane* lanes,
                   Scratch& mine) const {
    each_block(
        panel, t, lanes, [&](const RecurrenceBlock& all, int64_t, Lane* of) {
          if (all.reset) find_resets(all, of);
          RecurrenceBlock block = without_idle_resets(all, of);
          GradientSummary summary;
          kernel_.load(block, mine.rows);
          LaneSet within =
              kernel_.reduce(block, mine.rows, inclusive_, summary);
          for (int l = 0; l < block.lanes; ++l) {
            if (within >> l & 1) {
              of[l].numbers = {number_of(summary.product, l),
                               number_of(summary.sum, l)};
            } else {
              of[l].numbers = exact_.walk(block, l);
            }
            of[l].has_terms = false;
            for (int i = 0; i < parts; ++i) {
              of[l].has_terms |= summary.largest_term.part[l * parts + i] != 0;
            }
          }
        });
  }

  static Number number_of(const LaneNumbers& numbers, int lane) {
    Number x{};
    std::copy_n(numbers.part + lane * parts, parts, x.part);
    x.normalise();
    return x;
  }

  // Replaces what lanes make of numbers by those that they start with.
  void carry(const Panel& panel, Lane* lanes, Scratch& mine) const {
    bool columns = tiling_.lines_are_lanes;
    std::vector<Stop>& stops = mine.stops;
    std::vector<State>& states = mine.states;
    stops.clear();
    std::fill(states.begin(), states.end(), State{});
    for (int64_t t = 0; t < tiling_.tiles; ++t) {
      each_block(panel, t, lanes,
                 [&](const RecurrenceBlock& block, int64_t group, Lane* of) {
                   stops.push_back({block, group * kernel_.lanes, of});
                 });
    }
    auto state_of = [&](const Stop& stop, int lane) -> State& {
      return states[static_cast<size_t>(columns ? stop.line + lane : 0)];
    };
    for (const Stop& stop : stops) {
      for (int l = 0; l < stop.block.lanes; ++l)
        pass(stop, l, state_of(stop, l));
    }
    if (kind_ == Derivative::jvp) return;
    // Products come from the other end.
    std::fill(states.begin(), states.end(), State{});
    for (auto stop = stops.rbegin(); stop != stops.rend(); ++stop) {
      for (int l = stop->block.lanes; l-- > 0;) {
        Number& before = state_of(*stop, l).product;
        Lane& lane = stop->lanes[l];
        Number after = lane.numbers.product;
        if (!after.is_finite() || !(lane.has_reset || before.is_finite())) {
          // Infinities do not associate.
          after = exact_.multiply(stop->block, l, before);
        } else if (!lane.has_reset) {
          after = Exact::times(before, after);
        }
        lane.numbers.product = before;
        before = after;
      }
    }
  }

  // Advances the numbers of a line over a lane, which keeps those before it.
  void pass(const Stop& stop, int lane, State& state) const {
    State& own = stop.lanes[lane].numbers;
    State before = state;
    if (stop.lanes[lane].has_reset) {
      state = own;
    } else if (!own.is_finite() || !before.is_finite()) {
      // Infinities do not associate.
      state = exact_.walk(stop.block, lane, before);
    } else {
      Number sum = own.h;
      if (kind_ == Derivative::jvp) sum = Exact::times(sum, before.product);
      state = {Exact::times(own.product, before.product),
               advance(own.product, before.h, sum)};
    }
    own.h = before.h;
    if (kind_ == Derivative::jvp) own.product = before.product;
  }

  void scan_tile(const Panel& panel, int64_t t, Lane* lanes,
                 Scratch& mine) const {
    each_block(
        panel, t, lanes, [&](const RecurrenceBlock& all, int64_t, Lane* of) {
          if (all.reset && !is_reduced()) find_resets(all, of);
          RecurrenceBlock block = without_idle_resets(all, of);
          GradientStarts starts{};
          LaneSet within = 0;
          for (int l = 0; l < block.lanes; ++l) {
            within |= LaneSet{start(of[l], l, starts)} << l;
          }
          kernel_.load(block, mine.rows);
          within &=
              kernel_.scan(block, mine.rows, starts, inclusive_, streaming_);
          for (int l = 0; l < block.lanes; ++l) {
            if (!(within >> l & 1)) exact_.scan(block, l, of[l].numbers);
          }
        });
  }

  static bool is_near(const Number& x) {
    return std::abs(x.exponent) <= kNearExponents;
  }

  // What a lane starts with, in doubles. Returns false if they cannot hold it.
  bool start(const Lane& lane, int l, GradientStarts& starts) const {
    Number product = lane.numbers.product, h = lane.numbers.h;
    if (!product.is_finite() || !h.is_finite()) return false;
    int64_t exponent = 0;
    if (lane.has_reset) {
      // What comes after the reset is not to be scaled by what came before it.
      if (!is_near(product) || !is_near(h)) return false;
    } else if (kind_ == Derivative::vjp) {
      exponent = product.exponent;
      product.exponent = 0;
      if (!lane.has_terms) {
        exponent += h.exponent;
        h.exponent = 0;
      } else if (!is_near(h)) {
        return false;
      }
    } else if (h.is_zero() || product.is_zero()) {
      exponent = h.is_zero() ? product.exponent : h.exponent;
      product.exponent = h.exponent = 0;
    } else {
      if (std::abs(h.exponent - product.exponent) > kMostApart) return false;
      exponent = product.exponent;
      h.exponent -= exponent;
      product.exponent = 0;
    }
    bool is_nothing = exponent < -kMostScale - 100;
    if (std::abs(exponent) > kMostScale) {
      // Of float64, some results may be in the range.
      if (!is_narrow_ && !is_nothing) return false;
      exponent = exponent < 0 ? -kMostScale : kMostScale;
    }
    double low = power_of_two(exponent / 2),
           high = power_of_two(exponent - exponent / 2);
    for (int i = 0; i < parts; ++i) {
      int at = l * parts + i;
      starts.product.part[at] = scaled(product.part[i], product.exponent);
      starts.h.part[at] = scaled(h.part[i], h.exponent);
      starts.scale[0].part[at] = low;
      starts.scale[1].part[at] = is_nothing ? 0 : high;
    }
    return true;
  }

  Derivative kind_;
  const RecurrencePlan& plan_;
  bool inclusive_;
  bool is_narrow_;
  const GradientKernel& kernel_;
  Exact exact_;
  RecurrenceTiling tiling_;
  bool streaming_;
  std::vector<std::unique_ptr<Scratch>> scratch_;
};

}  // namespace

void run_gradient(const GradientWork& work) {
  if (work.dtype == complex64) return Gradient<2>(work).run();
  Gradient<1>(work).run();
}

}  // namespace upsweep
