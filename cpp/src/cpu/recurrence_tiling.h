// RecurrenceTiling: how the CPU cuts a recurrence into panels, tiles and
// blocks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "../core/backend.h"
#include "recurrence_kernel.h"

namespace upsweep {

class RecurrenceTiling {
 public:
  using Plan = RecurrencePlan;
  using Offsets = std::array<int64_t, Plan::kArrays>;

  // `lanes` of the kernel.
  RecurrenceTiling(const RecurrenceWork& work, int lanes);

  // Neighbouring lines that are computed together: where the first one starts,
  // and how many there are.
  struct Panel {
    Offsets at;
    int64_t width;
  };
  Panel find_panel(int64_t index) const;

  // Calls fn(block, group) for the blocks of some elements of each line of a
  // panel, in order; `group` is that of the lines in the panel.
  template <class Fn>
  void for_blocks(const Panel& panel, int64_t first, int64_t last,
                  const Fn& fn) const {
    while (first < last) {
      if (lines_are_lanes) {
        int64_t rows = std::min(kBlockRows, last - first);
        for_groups(panel, first, rows, 0, fn);
        first += rows;
        continue;
      }
      // After the whole blocks, stripes are shorter: first multiples of 4,
      // which the transposition needs, then one short stripe.
      int64_t rows = std::min(kBlockRows, (last - first) / lanes_ / 4 * 4);
      int64_t stripes = rows > 0 ? lanes_ : 1;
      if (rows == 0) rows = std::min(kBlockRows, last - first);
      Plan::Axis stripe = plan_.length;
      for (int64_t& step : stripe.step) step *= rows;
      fn(block(panel, first, 0, rows, stripes, stripe), int64_t{0});
      first += rows * stripes;
    }
  }

  // The same for some rows of lines that are lanes, from group `group` on.
  template <class Fn>
  void for_groups(const Panel& panel, int64_t first, int64_t rows,
                  int64_t group, const Fn& fn) const {
    for (; group * lanes_ < panel.width; ++group) {
      int64_t line = group * lanes_;
      fn(block(panel, first, line, rows, std::min(lanes_, panel.width - line),
               plan_.inner),
         group);
    }
  }

  // Rows of all lines of a panel.
  RecurrenceBlock columns(const Panel& panel, int64_t first,
                          int64_t rows) const {
    return block(panel, first, 0, rows, panel.width, plan_.inner);
  }

  // The most blocks of a tile.
  int64_t blocks() const;

  bool lines_are_lanes;  // else stripes are
  bool reduces;          // blocks, before they are computed
  bool direct;           // whole groups are computed where they lie
  int64_t direct_rows;   // that are computed at once, 2 or 4
  int64_t width;         // lines of a panel
  int64_t groups;        // of the lines of a panel
  int64_t panels;
  int64_t tile;  // elements of a line in one tile
  int64_t tiles;

 private:
  // `rows` elements from `first` on of `lanes` lanes of a panel, from lane
  // `lane` on.
  RecurrenceBlock block(const Panel& panel, int64_t first, int64_t lane,
                        int64_t rows, int64_t lanes,
                        const Plan::Axis& across) const;

  const RecurrenceWork& work_;
  const Plan& plan_;
  int64_t itemsize_;
  int64_t lanes_;
};

}  // namespace upsweep
