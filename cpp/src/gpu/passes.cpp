// Chooses tiles and chunks. Both depend only on shape, strides, dtype and the
// family of the GPU (Tuning), never on how many cores it has: rounding depends
// on where chunks end, and all GPUs of a family give the same bits.
#include "passes.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <optional>

namespace upsweep {

namespace {

// A tile of neighbouring lines is at least this wide in bytes, if there are
// enough lines: what a GPU fetches at once.
constexpr uint32_t kFetchBytes = 128;
// The least size of a chunk of a line, in tiles and in elements: a line in
// chunks is read twice, and what the passes hand on must be small beside it.
constexpr int64_t kMinTiles = 4;
constexpr int64_t kMinElements = 2048;
// With at least this many panels, each tile waits for the one before it.
constexpr int64_t kManyPanels = 256;
// With fewer, tiles look back (metal/look_back.h). The more lines a tile has,
// the fewer states of each it may read.
struct LookBackShape {
  uint32_t group;
  uint32_t set;
};
constexpr LookBackShape look_back_shape(uint32_t lines) {
  if (lines == 1) return {1, 64};
  return lines <= 8 ? LookBackShape{1, 32} : LookBackShape{8, 8};
}
// Chunks, of all panels, of which a carry takes totals if it can: enough to
// keep a device busy, and few for the host to put together.
constexpr int64_t kTotals = 512;
// The most threads in one grid: GPUs number them with 32 bits.
constexpr int64_t kMaxThreads = UINT32_MAX;

// The smallest power of two that is at least n, but at most `most`, a power of
// two.
uint32_t power_of_two(int64_t n, uint32_t most) {
  return n >= most ? most : std::bit_ceil(static_cast<uint32_t>(n));
}

// The axes of a plan, except the scanned one, in the kernels' elements.
std::vector<ScanAxis> line_axes(const Plan& plan, uint32_t components) {
  std::vector<ScanAxis> axes;
  auto append = [&](const Plan::Axis& axis) {
    if (axis.extent == 1) return;
    axes.push_back(
        {axis.extent, axis.in_step * components, axis.out_step * components});
  };
  for (const Plan::Axis& axis : plan.outer) append(axis);
  append(plan.inner);
  if (components == 1) return axes;
  if (!axes.empty() && axes.back().in_step == components &&
      axes.back().out_step == components) {
    axes.back() = {axes.back().extent * components, 1, 1};
  } else {
    axes.push_back({components, 1, 1});
  }
  return axes;
}

// The same of a recurrence: the first input is a, the second one b.
ScanAxis to_axis(const RecurrencePlan::Axis& axis) {
  using Plan = RecurrencePlan;
  return {axis.extent, axis.step[Plan::a], axis.step[Plan::out],
          axis.step[Plan::b]};
}
std::vector<ScanAxis> line_axes(const RecurrencePlan& plan) {
  std::vector<ScanAxis> axes;
  for (const RecurrencePlan::Axis& axis : plan.outer) {
    if (axis.extent != 1) axes.push_back(to_axis(axis));
  }
  if (plan.inner.extent != 1) axes.push_back(to_axis(plan.inner));
  return axes;
}

ScanAxis remove_axis(std::vector<ScanAxis>& axes, size_t i) {
  ScanAxis axis = axes[i];
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(i));
  return axis;
}

// The axis whose lines a tile scans side by side, if any: one that is
// contiguous in the result, else one that is contiguous in an input while the
// scanned axis is not.
std::optional<size_t> find_column_axis(const std::vector<ScanAxis>& axes,
                                       const ScanAxis& length) {
  if (axes.empty()) return std::nullopt;
  if (axes.back().out_step == 1) return axes.size() - 1;
  for (auto step : {&ScanAxis::in_step, &ScanAxis::second_step}) {
    if (std::abs(length.*step) <= 1) continue;
    for (size_t i = axes.size(); i-- > 0;) {
      if (std::abs(axes[i].*step) == 1) return i;
    }
  }
  return std::nullopt;
}

// Chooses the column, batch and outer axes (metal/params.h).
void place_axes(std::vector<ScanAxis> axes, ScanParams& p, uint32_t threads) {
  p.column = p.batch = {1, 0, 0};
  if (auto column = find_column_axis(axes, p.length))
    p.column = remove_axis(axes, *column);
  // Along the batch axis the results of whole lines follow one another. A short
  // axis would leave most threads idle; of those long enough, the innermost has
  // its lines closest together.
  int64_t line = p.length.extent * std::abs(p.length.out_step);
  auto worth = [&](size_t i) {
    return std::min<int64_t>(axes[i].extent, threads);
  };
  std::optional<size_t> batch;
  for (size_t i = axes.size(); i-- > 0;) {
    if (axes[i].out_step < line) continue;
    if (!batch || worth(i) > worth(*batch)) batch = i;
  }
  if (batch) p.batch = remove_axis(axes, *batch);
  p.outer_axes = static_cast<uint32_t>(axes.size());
  std::copy(axes.begin(), axes.end(), p.outer);
}

// For results with `out_extent` elements in each line, the initial one included
// if they have it.
void set_initial(const Initial& initial, int64_t out_extent, int64_t components,
                 ScanParams& p) {
  using Kind = Initial::Kind;
  p.initial_kind = initial.kind == Kind::identity  ? kInitialIdentity
                   : initial.kind == Kind::element ? kInitialElement
                                                   : kInitialCarry;
  p.initial_per_line = initial.per_line;
  p.first_out = p.out_start;
  p.lines_after = std::abs(p.length.out_step);
  p.line_block = p.lines_after * out_extent;
  p.initial_start = initial.offset * components;
}

// Lines of a tile that each thread scans one after the other.
struct LinesPerThread {
  uint32_t along_column;
  uint32_t along_batch;
};

// As many as a thread's items have room for, as long as there are tiles enough
// to keep a device busy.
LinesPerThread lines_per_thread(const Passes& passes, uint32_t items,
                                const Tuning& tuning) {
  const ScanParams& p = passes.params;
  if (!passes.has_whole_lines()) return {1, 1};
  int64_t lines = p.column.extent * p.batch.extent;
  for (uint32_t i = 0; i < p.outer_axes; ++i) lines *= p.outer[i].extent;
  int64_t most = std::clamp<int64_t>(lines / tuning.threads / tuning.full, 1,
                                     items / p.span);
  int64_t columns =
      std::min(most, ceil_div(p.column.extent, int64_t{p.column_threads}));
  return {static_cast<uint32_t>(columns),
          static_cast<uint32_t>(most / columns)};
}

// Columns of a tile, at most `most`. Rows of whole vectors are loaded fastest
// if all threads move whole rows at once; of other rows, all tiles have about
// as many.
uint32_t panel_width(int64_t columns, uint32_t most, bool has_vectors) {
  int64_t panels = has_vectors ? 1 : ceil_div(columns, int64_t{most});
  return static_cast<uint32_t>(
      std::min<int64_t>(ceil_div(columns, panels), most));
}

// The shape of a tile.
void choose_tile(Passes& passes, const KernelSet& kernels,
                 const Tuning& tuning) {
  ScanParams& p = passes.params;
  int64_t n = p.length.extent;
  bool is_pair = kernels.inputs == 2;
  uint32_t items =
      is_pair ? pair_items(tuning.items(2 * kernels.itemsize), kernels.itemsize)
              : tuning.items(kernels.itemsize);
  // Threads that a whole line would keep busy; the rest may go to other lines.
  uint32_t needed = power_of_two(ceil_div(n, items), tuning.threads);
  uint32_t row = std::min(kFetchBytes / kernels.itemsize, tuning.threads);
  uint32_t per_vector = 16 / kernels.itemsize;
  p.column_threads =
      power_of_two(p.column.extent, std::max(row, tuning.threads / needed));
  p.line_threads = std::min(needed, tuning.threads / p.column_threads);
  p.span = static_cast<uint32_t>(
      std::min<int64_t>(n, int64_t{p.line_threads} * items));
  p.items_per_thread = (p.span + p.line_threads - 1) / p.line_threads;
  LinesPerThread lines = lines_per_thread(passes, items, tuning);
  p.width = panel_width(p.column.extent, p.column_threads * lines.along_column,
                        p.length.out_step % int64_t{per_vector} == 0);
  p.batches = 1;
  if (p.span == n) {
    uint32_t most = tuning.threads / (p.column_threads * p.line_threads) *
                    lines.along_batch;
    p.batches = static_cast<uint32_t>(std::min<int64_t>(p.batch.extent, most));
  }
  auto layout = [&](int64_t ScanAxis::* step, bool may_broadcast) {
    auto axis = [&](uint32_t id, uint32_t extent, const ScanAxis& along) {
      return may_broadcast ? tile_axis(id, extent, along.*step, along.out_step)
                           : tile_axis(id, extent, along.*step);
    };
    return tile_layout(axis(0, p.width, p.column), axis(1, p.span, p.length),
                       axis(2, p.batches, p.batch), per_vector,
                       tuning.threads * per_vector);
  };
  p.in_tile = layout(&ScanAxis::in_step, is_pair);
  p.out_tile = layout(&ScanAxis::out_step, false);
  if (is_pair) p.second_tile = layout(&ScanAxis::second_step, true);
}

// Also sets the numbers of panels that the kernels read.
int64_t count_panels(ScanParams& p) {
  int64_t column_panels = ceil_div(p.column.extent, p.width);
  int64_t batch_panels = ceil_div(p.batch.extent, p.batches);
  p.column_panels = static_cast<uint32_t>(column_panels);
  p.batch_panels = static_cast<uint32_t>(batch_panels);
  int64_t panels = column_panels * batch_panels;
  for (uint32_t i = 0; i < p.outer_axes; ++i) panels *= p.outer[i].extent;
  p.panels = static_cast<uint32_t>(panels);
  return panels;
}

// Cuts lines into chunks if they are too few to keep the device busy; for
// look-back and derivatives, into tiles.
void choose_chunks(Passes& passes, const Tuning& tuning) {
  ScanParams& p = passes.params;
  int64_t tiles = ceil_div(p.length.extent, p.span);
  int64_t least = std::max(kMinTiles, ceil_div(kMinElements, p.span));
  int64_t chunks = std::clamp<int64_t>(tuning.full / passes.panels, 1,
                                       ceil_div(tiles, least));
  passes.look_back = tuning.look_back && !passes.derivative;
  if (p.gives == kGivesTotals) {
    chunks = ceil_div(tiles, ceil_div(tiles * passes.panels, kTotals));
  } else if (passes.look_back || passes.derivative) {
    chunks = tiles;
  }
  p.tiles = static_cast<uint32_t>(ceil_div(tiles, chunks));
  p.chunks = static_cast<uint32_t>(ceil_div(tiles, p.tiles));
  LookBackShape shape{1, 1};
  if (passes.panels < kManyPanels) shape = look_back_shape(p.width);
  p.look_back_group = shape.group;
  p.look_back_set = shape.set;
}

// Halves the set of lines until each half fits a grid.
void append(Passes passes, int64_t most_groups, std::vector<Passes>& all) {
  passes.panels = count_panels(passes.params);
  if (passes.groups() <= most_groups) {
    all.push_back(passes);
    return;
  }
  ScanParams& p = passes.params;
  std::vector<ScanAxis*> axes{&p.column, &p.batch};
  for (uint32_t i = 0; i < p.outer_axes; ++i) axes.push_back(&p.outer[i]);
  ScanAxis& longest = **std::max_element(
      axes.begin(), axes.end(),
      [](ScanAxis* a, ScanAxis* b) { return a->extent < b->extent; });
  int64_t whole = longest.extent;
  longest.extent = whole / 2;
  append(passes, most_groups, all);
  p.in_start += whole / 2 * longest.in_step;
  p.out_start += whole / 2 * longest.out_step;
  p.second_start += whole / 2 * longest.second_step;
  longest.extent = whole - whole / 2;
  append(passes, most_groups, all);
}

// Launches for the lines along some axes.
std::vector<Passes> make_passes(Passes passes, std::vector<ScanAxis> lines,
                                const KernelSet& kernels,
                                const Tuning& tuning) {
  ScanParams& p = passes.params;
  passes.itemsize = kernels.itemsize;
  passes.has_resets = kernels.has_resets;
  place_axes(std::move(lines), p, tuning.threads);
  choose_tile(passes, kernels, tuning);
  passes.panels = count_panels(p);
  choose_chunks(passes, tuning);
  std::vector<Passes> all;
  append(passes, kMaxThreads / tuning.threads, all);
  return all;
}

// The parts of the parameters that recurrences and derivatives share.
Passes pair_passes(const RecurrenceWork& work) {
  using Plan = RecurrencePlan;
  const Plan& plan = work.plan;
  Passes passes{};
  ScanParams& p = passes.params;
  p.in_start = plan.start[Plan::a] + work.a.offset;
  p.second_start = plan.start[Plan::b] + work.b.offset;
  p.out_start = plan.start[Plan::out];
  p.length = to_axis(plan.length);
  p.inclusive = work.inclusive;
  return passes;
}

// The kernels of a derivative. Of its spines, each threadgroup has as many
// lines as there is room for, and one group of the chunks of each
// (metal/params.h).
Launch derivative_launch(const Passes& passes, const char* set,
                         const Tuning& tuning) {
  const ScanParams& p = passes.params;
  std::vector<Kernel> stages;
  auto append = [&](const char* stage, int64_t threadgroups) {
    stages.push_back({stage, set, threadgroups});
  };
  auto threadgroups = [&](uint32_t entries) {
    int64_t lines = tuning.threads / spine_threads(entries, tuning.threads);
    return ceil_div(static_cast<int64_t>(passes.lines()), lines);
  };
  int64_t groups = spine_groups(p.chunks, tuning.threads);
  auto append_spine = [&](const char* of_chunks, const char* of_groups) {
    append(of_chunks, threadgroups(p.chunks) * groups);
    if (groups != 1) append(of_groups, threadgroups(groups));
  };
  bool has_chunks = p.chunks != 1;
  if (has_chunks && passes.derivative == Derivative::jvp) {
    append("products", passes.groups());
    append_spine("productspine", "productgroups");
  }
  if (has_chunks) {
    append("reduce", passes.groups());
    append_spine("sumspine", "sumgroups");
  }
  append("finish", passes.groups());
  Launch launch = Launch::make(std::move(stages), p);
  launch.scratch[0] = passes.aggregate_bytes();
  if (groups != 1) launch.scratch[1] = passes.lines() * groups * kGradientBytes;
  return launch;
}

}  // namespace

bool fits_kernels(const Plan& plan) {
  // line_axes gives at most one axis more than plan.outer has, apart from one
  // of components, which becomes the column axis.
  return plan.outer.size() + 1 <= kMaxOuterAxes;
}
bool fits_kernels(const RecurrencePlan& plan) {
  return plan.outer.size() + 1 <= kMaxOuterAxes;
}

std::vector<Passes> make_passes(const ScanWork& work, const KernelSet& kernels,
                                const Tuning& tuning, uint32_t gives) {
  const Plan& plan = work.plan;
  if (plan.elements() == 0) return {};
  int64_t components = kernels.components;
  Passes passes{};
  ScanParams& p = passes.params;
  p.in_start = (plan.in_start + work.in_offset) * components;
  p.out_start = plan.out_start * components;
  p.length = {plan.length.extent, plan.length.in_step * components,
              plan.length.out_step * components};
  p.inclusive = work.inclusive;
  p.reset_shift = kernels.components - 1;
  set_initial(work.initial, plan.out_extent, components, p);
  p.include_initial = work.include_initial;
  p.gives = gives;
  p.lines = plan.lines() * components;
  return make_passes(passes, line_axes(plan, kernels.components), kernels,
                     tuning);
}

std::vector<Passes> make_passes(const RecurrenceWork& work,
                                const Initial& initial,
                                const KernelSet& kernels,
                                const Tuning& tuning) {
  if (work.plan.elements() == 0) return {};
  Passes passes = pair_passes(work);
  passes.params.reads_resets = work.reset.storage != nullptr;
  set_initial(initial, work.plan.length.extent, 1, passes.params);
  return make_passes(passes, line_axes(work.plan), kernels, tuning);
}

std::vector<Passes> make_passes(const GradientWork& work,
                                const KernelSet& kernels,
                                const Tuning& tuning) {
  if (work.plan.elements() == 0) return {};
  Passes passes = pair_passes(work);
  passes.derivative = work.kind;
  set_initial({}, work.plan.length.extent, 1, passes.params);
  return make_passes(passes, line_axes(work.plan), kernels, tuning);
}

Launch to_launch(const Passes& passes, const KernelSet& kernels,
                 const Tuning& tuning) {
  auto stage = [&](const char* name, int64_t groups) {
    return Kernel{name, kernels.name, groups};
  };
  if (passes.derivative) return derivative_launch(passes, kernels.name, tuning);
  std::vector<Kernel> stages;
  bool has_chunks = passes.params.chunks != 1;
  if (passes.has_whole_lines()) {
    stages = {stage("wholelines", passes.groups())};
  } else if (passes.look_back) {
    stages = {stage("lookback", passes.groups())};
  } else {
    stages = {stage("downsweep", passes.groups())};
    if (has_chunks) {
      stages = {stage("upsweep", passes.groups()),
                stage("spine", passes.panels), stages.front()};
    }
  }
  Launch launch = Launch::make(std::move(stages), passes.params);
  if (has_chunks) {
    launch.scratch[0] = passes.aggregate_bytes();
    launch.has_states = passes.look_back && launch.scratch[0] != 0;
    launch.scratch[1] = passes.carry_bytes();
  }
  return launch;
}

}  // namespace upsweep
