// Panels: the lines that a threadgroup scans, and each thread's coordinates.
#pragma once

namespace upsweep {

// Lines that are scanned side by side.
struct Panel {
  uint index;
  int64_t in;  // the first element in scan order
  int64_t out;
  int64_t second;  // as in, of a second input
  uint width;
  uint batches;
};

struct ThreadCoord {
  uint column;
  uint batch;
  uint line_thread;
  bool is_active;  // its line exists
};

// The extent of an axis in a panel: `most` elements, or the remainder.
METAL_FUNC uint extent_of(constant ScanAxis& axis, int64_t first, uint most) {
  return uint(min(axis.extent - first, int64_t(most)));
}

// n / d, fast for a d of 1, which is the usual case.
METAL_FUNC uint divide(uint n, uint d) { return d == 1 ? n : n / d; }

// There are fewer than 2^31 panels, and so fewer along each axis.
METAL_FUNC Panel make_panel(constant ScanParams& params, uint index) {
  Panel panel = {
      index, params.in_start, params.out_start, params.second_start, 0, 0};
  uint rest = divide(index, params.column_panels);
  int64_t column = int64_t(index - rest * params.column_panels) * params.width;
  panel.width = extent_of(params.column, column, params.width);
  panel.in += column * params.column.in_step;
  panel.out += column * params.column.out_step;
  panel.second += column * params.column.second_step;

  index = rest;
  rest = params.outer_axes == 0 ? 0 : divide(index, params.batch_panels);
  int64_t batch = int64_t(index - rest * params.batch_panels) * params.batches;
  panel.batches = extent_of(params.batch, batch, params.batches);
  panel.in += batch * params.batch.in_step;
  panel.out += batch * params.batch.out_step;
  panel.second += batch * params.batch.second_step;

  for (uint i = params.outer_axes; i-- > 0;) {
    index = rest;
    rest = index / uint(params.outer[i].extent);
    int64_t at = index - rest * uint(params.outer[i].extent);
    panel.in += at * params.outer[i].in_step;
    panel.out += at * params.outer[i].out_step;
    panel.second += at * params.outer[i].second_step;
  }
  return panel;
}

METAL_FUNC ThreadCoord make_coord(constant ScanParams& params, Panel panel,
                                  uint thread_index) {
  uint lane_bits = ctz(params.column_threads);
  uint line_bits = ctz(params.line_threads);
  uint column = thread_index & (params.column_threads - 1);
  uint line_thread = (thread_index >> lane_bits) & (params.line_threads - 1);
  uint batch = thread_index >> (lane_bits + line_bits);
  return {column, batch, line_thread,
          column < panel.width && batch < panel.batches};
}

// Copies a layout from the parameters into registers.
METAL_FUNC TileLayout load_layout(constant TileLayout& t) {
  return {t.m0,     t.m1,     t.m2,    t.origin_offset, t.round,
          t.n0,     t.n1,     t.count, t.vectors,       t.first,
          t.column, t.length, t.batch, t.inverse0,      t.inverse1};
}

// An axis of an input, which is broadcast only where there are two of them.
template <bool may_broadcast>
METAL_FUNC TileAxis input_axis(uint id, uint extent, int64_t step,
                               int64_t out_step) {
  if (may_broadcast) return tile_axis(id, extent, step, out_step);
  return tile_axis(id, extent, step);
}

// The layout of a panel's tile of `span` elements from `first` on, in the
// input, in the second one, or in the output.
template <class V, bool is_one_of_two>
METAL_FUNC Layout<V> layout_in(constant ScanParams& params, Panel panel,
                               int64_t first, uint span) {
  TileLayout tile = load_layout(params.in_tile);
  if (tile.count != panel.width * span * panel.batches) {
    tile = tile_layout(
        input_axis<is_one_of_two>(0, panel.width, params.column.in_step,
                                  params.column.out_step),
        input_axis<is_one_of_two>(1, span, params.length.in_step,
                                  params.length.out_step),
        input_axis<is_one_of_two>(2, panel.batches, params.batch.in_step,
                                  params.batch.out_step),
        Layout<V>::kPerVector, Layout<V>::kRound);
  }
  return Layout<V>::of(tile, panel.in + first * params.length.in_step);
}

// Where the elements of an input with these axes lie in a tile with the layout
// `out`.
template <class V>
METAL_FUNC Layout<V> places(TileAxis column, TileAxis length, TileAxis batch,
                            Layout<V> out) {
  TileLayout tile = tile_places(column, length, batch, out.tile);
  return {tile, int64_t(out.shift) + tile.first, 0, false};
}
template <class V, bool is_one_of_two>
METAL_FUNC Layout<V> places_in(constant ScanParams& params, Panel panel,
                               uint span, Layout<V> out) {
  return places(
      input_axis<is_one_of_two>(0, panel.width, params.column.in_step,
                                params.column.out_step),
      input_axis<is_one_of_two>(1, span, params.length.in_step,
                                params.length.out_step),
      input_axis<is_one_of_two>(2, panel.batches, params.batch.in_step,
                                params.batch.out_step),
      out);
}
template <class V>
METAL_FUNC Layout<V> places_second(constant ScanParams& params, Panel panel,
                                   uint span, Layout<V> out) {
  return places(
      tile_axis(0, panel.width, params.column.second_step,
                params.column.out_step),
      tile_axis(1, span, params.length.second_step, params.length.out_step),
      tile_axis(2, panel.batches, params.batch.second_step,
                params.batch.out_step),
      out);
}
template <class V>
METAL_FUNC Layout<V> layout_second(constant ScanParams& params, Panel panel,
                                   int64_t first, uint span) {
  TileLayout tile = load_layout(params.second_tile);
  if (tile.count != panel.width * span * panel.batches) {
    tile = tile_layout(
        tile_axis(0, panel.width, params.column.second_step,
                  params.column.out_step),
        tile_axis(1, span, params.length.second_step, params.length.out_step),
        tile_axis(2, panel.batches, params.batch.second_step,
                  params.batch.out_step),
        Layout<V>::kPerVector, Layout<V>::kRound);
  }
  return Layout<V>::of(tile, panel.second + first * params.length.second_step);
}

template <class V>
METAL_FUNC Layout<V> layout_out(constant ScanParams& params, Panel panel,
                                int64_t first, uint span) {
  TileLayout tile = load_layout(params.out_tile);
  if (tile.count != panel.width * span * panel.batches) {
    tile = tile_layout(tile_axis(0, panel.width, params.column.out_step),
                       tile_axis(1, span, params.length.out_step),
                       tile_axis(2, panel.batches, params.batch.out_step),
                       Layout<V>::kPerVector, Layout<V>::kRound);
  }
  return Layout<V>::of(tile, panel.out + first * params.length.out_step);
}

}  // namespace upsweep
