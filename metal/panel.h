// Panels: which lines a threadgroup scans, and which part of them a thread has.
#pragma once

namespace upsweep {

// Lines that are scanned side by side, and a thread's part of them.
struct Panel {
  int64_t index;
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

METAL_FUNC int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

METAL_FUNC Panel make_panel(constant ScanParams& params, int64_t index) {
  Panel panel = {index, params.in_start, params.out_start, params.width,
                 params.blocks};
  int64_t lanes = ceil_div(params.lane.extent, params.width);
  int64_t first = index % lanes * params.width;
  index /= lanes;
  panel.width = uint(min(params.lane.extent - first, int64_t(panel.width)));
  panel.in += first * params.lane.in_step;
  panel.out += first * params.lane.out_step;

  int64_t blocks = ceil_div(params.block.extent, params.blocks);
  first = index % blocks * params.blocks;
  index /= blocks;
  panel.blocks = uint(min(params.block.extent - first, int64_t(panel.blocks)));
  panel.in += first * params.block.in_step;
  panel.out += first * params.block.out_step;

  for (uint i = params.outer_axes; i-- > 0;) {
    int64_t at = index % params.outer[i].extent;
    index /= params.outer[i].extent;
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

// Where a panel's tile of `span` elements from `first` on is, in the input or
// in the output.
template <class V>
METAL_FUNC Layout<V> layout_in(constant ScanParams& params, Panel panel,
                               int64_t first, uint span) {
  return make_layout<V>(panel.in + first * params.length.in_step,
                        tile_axis(0, panel.width, params.lane.in_step),
                        tile_axis(1, span, params.length.in_step),
                        tile_axis(2, panel.blocks, params.block.in_step));
}

template <class V>
METAL_FUNC Layout<V> layout_out(constant ScanParams& params, Panel panel,
                                int64_t first, uint span) {
  return make_layout<V>(panel.out + first * params.length.out_step,
                        tile_axis(0, panel.width, params.lane.out_step),
                        tile_axis(1, span, params.length.out_step),
                        tile_axis(2, panel.blocks, params.block.out_step));
}

}  // namespace upsweep
