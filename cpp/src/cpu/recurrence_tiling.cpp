// Choosing the panels, tiles and blocks of a recurrence. What results depend on
// follows from shape, strides and dtype: tiles and blocks where lines are
// reduced. Where columns are not reduced, panels suit the number of threads.
#include "recurrence_tiling.h"

#include <cstdlib>

#include "../host/pool.h"

namespace upsweep {

namespace {

// Bytes of a tile in each array: the second-level cache holds the rows that a
// tile keeps from one pass to the next.
constexpr int64_t kTileBytes = 1 << 15;
// The most columns of a panel: long runs of memory, but the second-level cache
// holds their numbers.
constexpr int64_t kMaxWidth = 1 << 12;
// Lines that follow each other in memory are lanes where they are not longer
// than this.
constexpr int64_t kShortLine = 1024;
// From as many groups of columns on, threads share columns.
constexpr int64_t kEnoughGroups = 16;
// Panels of columns for each thread, so that none is idle for long at the end,
// if they are that wide.
constexpr int64_t kPanelsPerThread = 4;
constexpr int64_t kGoodWidth = 1 << 11;
// Bytes of a panel's row that is not much work.
constexpr int64_t kNarrow = 1 << 11;

// Whether rows of an input can be loaded from where they lie, or are one
// element.
bool is_direct(const RecurrencePlan& plan, RecurrencePlan::Array i) {
  return plan.inner.step[i] == 1 ||
         (plan.inner.step[i] == 0 && plan.length.step[i] == 0);
}

}  // namespace

RecurrenceTiling::RecurrenceTiling(const RecurrenceWork& work, int lanes)
    : work_(work),
      plan_(work.plan),
      itemsize_(static_cast<int64_t>(work.dtype.size())),
      lanes_(lanes) {
  int64_t lines = plan_.inner.extent, length = plan_.length.extent;
  bool columns = std::abs(plan_.length.step[Plan::out]) > 1;
  int64_t all_groups = ceil_div(lines, lanes_);
  if (columns) {
    width = std::min(lines, kMaxWidth);
  } else if (length <= kShortLine && lines >= lanes_ / 2) {
    width = std::min(lines, lanes_);
  } else {
    width = 1;
  }
  lines_are_lanes = columns || width > 1;
  groups = ceil_div(width, lanes_);
  // Whole blocks, so that they are the same whether tiles count or not.
  int64_t row = itemsize_ * (lines_are_lanes ? groups * lanes_ : 1);
  tile = std::max<int64_t>(1, kTileBytes / row / kBlockRows) * kBlockRows;
  tiles = ceil_div(length, tile);
  reduces = !lines_are_lanes || (columns && tiles > 1 &&
                                 plan_.outer_size * all_groups < kEnoughGroups);
  direct = columns && !reduces && !work.reset.storage &&
           is_direct(plan_, Plan::a) && is_direct(plan_, Plan::b);
  if (columns && !reduces) {
    // Of the groups of one row, for each thread and for each of its panels.
    int64_t threads = ceil_div(threads_for(plan_.elements()), plan_.outer_size);
    int64_t most = ceil_div(all_groups, threads);
    int64_t least = ceil_div(all_groups, threads * kPanelsPerThread);
    int64_t share = std::clamp(kGoodWidth / lanes_, least, most);
    width = std::min(width, share * lanes_);
  }
  // More rows pay for starting, but are more places in memory at once.
  direct_rows = width * itemsize_ <= kNarrow ? 4 : 2;
  groups = ceil_div(width, lanes_);
  panels = plan_.outer_size * ceil_div(lines, width);
}

RecurrenceTiling::Panel RecurrenceTiling::find_panel(int64_t index) const {
  int64_t per_row = ceil_div(plan_.inner.extent, width);
  int64_t first = index % per_row * width;
  int64_t row = index / per_row;
  Panel panel{plan_.start, std::min(width, plan_.inner.extent - first)};
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

int64_t RecurrenceTiling::blocks() const {
  int64_t rows = std::min(tile, plan_.length.extent);
  if (lines_are_lanes) return groups * ceil_div(rows, kBlockRows);
  // Two at the end are not whole.
  return rows / (kBlockRows * lanes_) + 2;
}

RecurrenceBlock RecurrenceTiling::block(const Panel& panel, int64_t first,
                                        int64_t lane, int64_t rows,
                                        int64_t lanes,
                                        const Plan::Axis& across) const {
  const auto& length = plan_.length.step;
  auto offset = [&](Plan::Array i) {
    return panel.at[i] + first * length[i] + lane * across.step[i];
  };
  auto data = [&](const RecurrenceWork::Input& input, Plan::Array i) {
    return static_cast<const char*>(input.storage->data()) +
           (input.offset + offset(i)) * itemsize_;
  };
  const uint8_t* reset = nullptr;
  if (work_.reset.storage) {
    reset = static_cast<const uint8_t*>(work_.reset.storage->data()) +
            work_.reset.offset + offset(Plan::out);
  }
  return {data(work_.a, Plan::a),
          data(work_.b, Plan::b),
          reset,
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

}  // namespace upsweep
