// Passes: which kernels of metal/ a scan launches, with which parameters and in
// which order. Pure arithmetic on a plan, shared by the backends for GPUs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "../../../metal/params.h"
#include "../core/backend.h"
#include "kernel_sets.h"
#include "launch.h"

namespace upsweep {

// Tuning of a family of GPUs: the shape of a threadgroup, from
// metal/tuning_*.h, and what the backend adds.
struct Tuning {
  uint32_t threads;                          // of a threadgroup
  uint32_t (*items)(uint32_t element_size);  // elements of a tile per thread
  int64_t full;    // threadgroups that keep a device busy
  bool look_back;  // whether its kernels use look-back, in a single pass
};

// Launches for all lines of a scan, or for some of them if one grid cannot hold
// all: up-sweep over panels · chunks threadgroups, spine over panels,
// down-sweep over panels · chunks (a single chunk needs only the down-sweep);
// or look-back over panels · chunks, where a chunk is one tile. Whole lines
// of one thread have a kernel of their own. Those of a derivative are in
// metal/scan.metal.
struct Passes {
  ScanParams params;
  uint32_t itemsize;  // bytes of the kernels' element
  bool has_resets;
  int64_t panels;
  bool look_back;
  std::optional<Derivative> derivative;

  // Whether each thread scans whole lines.
  bool has_whole_lines() const {
    return !derivative && params.gives == kGivesResults &&
           params.line_threads == 1 && params.length.extent == params.span;
  }
  int64_t groups() const { return panels * params.chunks; }
  // Bytes of the buffers between passes, of aggregates and of carries.
  // Look-back has no buffer of carries; its other buffer holds the states.
  size_t aggregate_bytes() const {
    if (params.gives == kGivesTotals) return 0;
    if (derivative) return entries() * kGradientBytes;
    uint32_t more = has_resets ? uint32_t{kResetBytes} : 0;
    if (!look_back) return entries() * (kAggregateBytes + more);
    size_t states = entries();
    if (params.look_back_set == 1)
      return states * (tile_state_bytes(itemsize) + more);
    states += lines() * groups_of_tiles();
    if (params.look_back_group != 1) states += entries();
    return states * (tile_state_bytes(itemsize) + more) +
           entries() * kExitBytes;
  }
  size_t carry_bytes() const { return look_back ? 0 : entries() * kCarryBytes; }
  size_t lines() const {
    return static_cast<size_t>(panels) * params.width * params.batches;
  }

 private:
  size_t groups_of_tiles() const {
    return (params.chunks + params.look_back_group - 1) /
           params.look_back_group;
  }
  size_t entries() const {
    return params.chunks == 1 ? 0 : lines() * params.chunks;
  }
};

// Whether the kernels can walk the plan; if not, they can after copy_input.
bool fits_kernels(const Plan& plan);
bool fits_kernels(const RecurrencePlan& plan);

// For work whose plan fits. An empty scan has no passes. `gives` says what the
// output has (metal/params.h).
std::vector<Passes> make_passes(const ScanWork& work, const KernelSet& kernels,
                                const Tuning& tuning,
                                uint32_t gives = kGivesResults);

// `initial` is that of the work as the kernels read it.
std::vector<Passes> make_passes(const RecurrenceWork& work,
                                const Initial& initial,
                                const KernelSet& kernels, const Tuning& tuning);

std::vector<Passes> make_passes(const GradientWork& work,
                                const KernelSet& kernels, const Tuning& tuning);

Launch to_launch(const Passes& passes, const KernelSet& kernels,
                 const Tuning& tuning);

}  // namespace upsweep
