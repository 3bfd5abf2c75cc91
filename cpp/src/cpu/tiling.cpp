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
// Rows of panels that are narrower than this are slow to read.
constexpr int64_t kNarrowPanelBytes = 512;
// Lines that follow each other in memory are scanned side by side where they
// are shorter than this, and one at a time where they are longer.
constexpr int64_t kShortLine = 1024;
// The most elements of a line in one tile: roundings add up within a tile and
// over the tiles, but not from one tile into the next.
constexpr int64_t kMaxTile = 1 << 20;
// The fewest elements of each line in a tile of many lines.
constexpr int64_t kMinTile = 64;

// Whether neighbouring lines are neighbours in memory: in the result, or in the
// input where its axes are swapped.
bool are_columns(const Plan& plan, int64_t lanes) {
  return std::abs(plan.length.out_step) > 1 ||
         (std::abs(plan.inner.in_step) == 1 && plan.inner.extent >= lanes &&
          std::abs(plan.length.in_step) != 1);
}

}  // namespace

Tiling make_panels(const Plan& plan, Dtype dtype, int64_t most) {
  int64_t lines = std::max<int64_t>(plan.inner.extent, 1);
  int64_t lanes = lanes_for(static_cast<int64_t>(dtype.size()));
  Tiling tiling{};
  // Whole registers, and in the last panel the rest too.
  tiling.unit = most == 1 ? 1 : std::min(lines, lanes);
  int64_t units = lines / tiling.unit, rest = lines % tiling.unit;
  int64_t most_units = most / tiling.unit - (rest > 0 ? 1 : 0);
  tiling.per_row = ceil_div(units, std::max<int64_t>(most_units, 1));
  tiling.width = ceil_div(units, tiling.per_row) * tiling.unit + rest;
  tiling.panels = plan.outer_size * tiling.per_row;
  tiling.tile = std::max<int64_t>(plan.length.extent, 1);
  tiling.tiles = 1;
  tiling.chained = true;
  return tiling;
}

Tiling make_tiling(const Plan& plan, Dtype dtype, bool packed) {
  auto itemsize = static_cast<int64_t>(dtype.size());
  int64_t tile_size = kTileBytes / itemsize;
  int64_t lanes = lanes_for(itemsize);
  int64_t n = std::max<int64_t>(plan.length.extent, 1);
  int64_t lines = std::max<int64_t>(plan.inner.extent, 1);
  int64_t most = kPanelBytes / itemsize;
  bool columns = are_columns(plan, lanes);
  if (!columns && n <= kShortLine && lines >= lanes / 2) {
    most = std::clamp(tile_size / n / lanes * lanes, lanes, most);
  } else if (!columns) {
    most = 1;
  } else if (int64_t share = lines / (kEnoughPanels * lanes) * lanes;
             share * itemsize >= kNarrowPanelBytes) {
    most = std::min(most, share);  // rather than too few panels
  }
  Tiling tiling = make_panels(plan, dtype, most);
  if (tiling.width == 1) {
    tiling.tile = tile_size;
  } else if (columns && lines < lanes) {
    int64_t block = kRows * lanes;
    tiling.tile = std::max<int64_t>(1, tile_size / lines / block) * block;
    tiling.chained = tiling.panels < kEnoughPanels;
  } else if (columns && (packed || tiling.panels < kEnoughPanels)) {
    tiling.tile = std::max(kMinTile, tile_size / tiling.width);
    tiling.chained = tiling.panels < kEnoughPanels;
  } else {
    tiling.tile = std::min(n, kMaxTile);
  }
  tiling.tiles = ceil_div(n, tiling.tile);
  return tiling;
}

bool is_one_tile(const Plan& plan, Dtype dtype) {
  return plan.lines() == 1 && std::abs(plan.length.in_step) == 1 &&
         plan.length.extent > 0 &&
         plan.length.extent <= kTileBytes / static_cast<int64_t>(dtype.size());
}

Panel find_panel(const Plan& plan, const Tiling& tiling, int64_t index) {
  int64_t lines = plan.inner.extent;
  int64_t row = index, first = 0, last = lines;
  // Divisions show where panels are small.
  if (tiling.per_row > 1) {
    auto start = [&](int64_t i) {
      return lines / tiling.unit * i / tiling.per_row * tiling.unit;
    };
    int64_t i = index % tiling.per_row;
    row = index / tiling.per_row;
    first = start(i);
    if (i + 1 < tiling.per_row) last = start(i + 1);
  }
  Panel panel{plan.in_start + first * plan.inner.in_step,
              plan.out_start + first * plan.inner.out_step, last - first};
  for (size_t i = plan.outer.size(); i-- > 0;) {
    int64_t at = row;  // of the outermost axis
    if (i > 0) {
      at = row % plan.outer[i].extent;
      row /= plan.outer[i].extent;
    }
    panel.in += at * plan.outer[i].in_step;
    panel.out += at * plan.outer[i].out_step;
  }
  return panel;
}

}  // namespace upsweep
