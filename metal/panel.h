// Panels: which lines a threadgroup scans, and which part of them a thread has.
#pragma once

namespace upsweep {

// Lines that are scanned side by side, and a thread's part of them.
struct Panel {
  uint index;
  int64_t in;  // the first element in scan order
  int64_t out;
  uint width;
  uint blocks;
};

struct Seat {
  uint lane;
  uint block;
  uint place;
  bool used;  // its line exists
};

// The part of an axis that a panel has: `most` elements, or what is left.
METAL_FUNC uint part_of(constant ScanAxis& axis, int64_t first, uint most) {
  return uint(min(axis.extent - first, int64_t(most)));
}

// n / d, most often by 1.
METAL_FUNC uint divided(uint n, uint d) { return d == 1 ? n : n / d; }

// There are less than 2^31 panels, and thus of each kind.
METAL_FUNC Panel make_panel(constant ScanParams& params, uint index) {
  Panel panel = {index, params.in_start, params.out_start, 0, 0};
  uint rest = divided(index, params.lane_panels);
  int64_t lane = int64_t(index - rest * params.lane_panels) * params.width;
  panel.width = part_of(params.lane, lane, params.width);
  panel.in += lane * params.lane.in_step;
  panel.out += lane * params.lane.out_step;

  index = rest;
  rest = params.outer_axes == 0 ? 0 : divided(index, params.block_panels);
  int64_t block = int64_t(index - rest * params.block_panels) * params.blocks;
  panel.blocks = part_of(params.block, block, params.blocks);
  panel.in += block * params.block.in_step;
  panel.out += block * params.block.out_step;

  for (uint i = params.outer_axes; i-- > 0;) {
    index = rest;
    rest = index / uint(params.outer[i].extent);
    int64_t at = index - rest * uint(params.outer[i].extent);
    panel.in += at * params.outer[i].in_step;
    panel.out += at * params.outer[i].out_step;
  }
  return panel;
}

METAL_FUNC Seat make_seat(constant ScanParams& params, Panel panel,
                          uint thread_index) {
  uint lane_bits = ctz(params.lane_threads);
  uint line_bits = ctz(params.line_threads);
  uint lane = thread_index & (params.lane_threads - 1);
  uint place = (thread_index >> lane_bits) & (params.line_threads - 1);
  uint block = thread_index >> (lane_bits + line_bits);
  return {lane, block, place, lane < panel.width && block < panel.blocks};
}

// From the parameters into registers.
METAL_FUNC TileLayout taken(constant TileLayout& t) {
  return {t.m0,   t.m1,     t.m2,    t.turn,     t.round,
          t.n0,   t.n1,     t.count, t.vectors,  t.first,
          t.lane, t.length, t.block, t.inverse0, t.inverse1};
}

// Where a panel's tile of `span` elements from `first` on is, in the input or
// in the output.
template <class V>
METAL_FUNC Layout<V> layout_in(constant ScanParams& params, Panel panel,
                               int64_t first, uint span) {
  TileLayout tile = taken(params.in_tile);
  if (tile.count != panel.width * span * panel.blocks) {
    tile = tile_layout(tile_axis(0, panel.width, params.lane.in_step),
                       tile_axis(1, span, params.length.in_step),
                       tile_axis(2, panel.blocks, params.block.in_step),
                       Layout<V>::kPerVector, Layout<V>::kRound);
  }
  return Layout<V>::of(tile, panel.in + first * params.length.in_step);
}

template <class V>
METAL_FUNC Layout<V> layout_out(constant ScanParams& params, Panel panel,
                                int64_t first, uint span) {
  TileLayout tile = taken(params.out_tile);
  if (tile.count != panel.width * span * panel.blocks) {
    tile = tile_layout(tile_axis(0, panel.width, params.lane.out_step),
                       tile_axis(1, span, params.length.out_step),
                       tile_axis(2, panel.blocks, params.block.out_step),
                       Layout<V>::kPerVector, Layout<V>::kRound);
  }
  return Layout<V>::of(tile, panel.out + first * params.length.out_step);
}

}  // namespace upsweep
