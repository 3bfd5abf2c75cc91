// Choosing panels and tiles.
#include "tiling.h"

#include <algorithm>
#include <cstdlib>

#include "kernels.h"

namespace upsweep {

namespace {

// Bytes of one tile. A tile, its result and the next tile fit the second-level
// cache, handing on a carry costs little compared with scanning a tile, and a
// tile holds whole blocks of stripes for every dtype.
constexpr int64_t kTileBytes = 1 << 16;
// From as many panels on, threads share panels rather than lines.
constexpr int64_t kEnoughPanels = 16;
// Lines that follow each other in memory are scanned side by side where they
// are shorter than this, and one at a time where they are longer.
constexpr int64_t kShortLine = 1024;
constexpr int64_t kLanes = 16;
// The most elements of a line in one tile: roundings add up within a tile and
// over the tiles, but not from one tile into the next.
constexpr int64_t kMaxTile = 1 << 20;
// The fewest elements of each line in a tile of many lines.
constexpr int64_t kMinTile = 64;

// Whether neighbouring lines are neighbours in memory: in the result, or in the
// input where its axes are swapped.
bool are_columns(const Plan& plan) {
  return std::abs(plan.length.out_step) > 1 ||
         (std::abs(plan.inner.in_step) == 1 && plan.inner.extent > 1 &&
          std::abs(plan.length.in_step) != 1);
}

}  // namespace

Tiling make_tiling(const Plan& plan, Dtype dtype) {
  auto itemsize = static_cast<int64_t>(dtype.size());
  int64_t tile_size = kTileBytes / itemsize;
  int64_t max_width = kPanelBytes / itemsize;
  int64_t n = plan.length.extent;
  int64_t lines = std::max<int64_t>(plan.inner.extent, 1);
  Tiling tiling{};
  tiling.tile = std::clamp<int64_t>(n, 1, kMaxTile);
  if (are_columns(plan)) {
    tiling.width = std::min(lines, max_width);
    if (plan.outer_size * ceil_div(lines, tiling.width) < kEnoughPanels) {
      tiling.tile = std::max(kMinTile, tile_size / tiling.width);
    }
  } else if (n <= kShortLine && lines >= kLanes / 2) {
    int64_t fitting = tile_size / std::max<int64_t>(n, 1) / kLanes * kLanes;
    tiling.width = std::min(lines, std::clamp(fitting, kLanes, max_width));
  } else {
    tiling.width = 1;
    tiling.tile = tile_size;
  }
  tiling.panels = plan.outer_size * ceil_div(lines, tiling.width);
  tiling.tiles = ceil_div(n, tiling.tile);
  return tiling;
}

Panel find_panel(const Plan& plan, const Tiling& tiling, int64_t index) {
  int64_t per_row = ceil_div(plan.inner.extent, tiling.width);
  int64_t first = index % per_row * tiling.width;
  int64_t row = index / per_row;
  Panel panel{plan.in_start + first * plan.inner.in_step,
              plan.out_start + first * plan.inner.out_step,
              std::min(tiling.width, plan.inner.extent - first)};
  for (size_t i = plan.outer.size(); i-- > 0;) {
    int64_t at = row % plan.outer[i].extent;
    row /= plan.outer[i].extent;
    panel.in += at * plan.outer[i].in_step;
    panel.out += at * plan.outer[i].out_step;
  }
  return panel;
}

}  // namespace upsweep
