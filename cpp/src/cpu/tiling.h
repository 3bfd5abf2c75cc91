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
  int64_t width;    // lines of the widest panel
  int64_t unit;     // panels start at a multiple of so many lines
  int64_t per_row;  // panels along the plan's inner axis
  int64_t panels;   // panels of the whole array
  int64_t tile;     // elements of a line in one tile
  int64_t tiles;    // tiles of a line
  bool chained;     // whether tiles hand on the carry by summaries
};

// If `packed`, each tile is copied before it is scanned.
Tiling make_tiling(const Plan& plan, Dtype dtype, bool packed = false);

// Whether the plan is of one line that is scanned in one tile.
bool is_one_tile(const Plan& plan, Dtype dtype);

// Panels of about the same width, in one tile each: of at most `most` lines, or
// one register and the rest of the lines.
Tiling make_panels(const Plan& plan, Dtype dtype, int64_t most);

// Where the first line of a panel starts, and how many lines it has.
struct Panel {
  int64_t in;
  int64_t out;
  int64_t width;
};
Panel find_panel(const Plan& plan, const Tiling& tiling, int64_t index);

}  // namespace upsweep
