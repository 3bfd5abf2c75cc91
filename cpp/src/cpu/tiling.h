// Tiling: how the CPU cuts a plan into panels and tiles.
//
// A panel is up to `width` neighbouring lines along the plan's inner axis, and
// a tile is a piece of a panel along the scanned axis. Both depend on shape,
// strides and dtype only, never on threads, because results may round
// differently where a tile ends.
#pragma once

#include <cstdint>

#include "../core/plan.h"

namespace upsweep {

struct Tiling {
  int64_t width;   // lines of a panel
  int64_t panels;  // panels of the whole array
  int64_t tile;    // elements of a line in one tile
  int64_t tiles;   // tiles of a line
};

Tiling make_tiling(const Plan& plan, Dtype dtype);

// Where the first line of a panel starts, and how many lines it has.
struct Panel {
  int64_t in;
  int64_t out;
  int64_t width;
};
Panel find_panel(const Plan& plan, const Tiling& tiling, int64_t index);

}  // namespace upsweep
