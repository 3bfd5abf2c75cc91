// Passes: which kernels of metal/ a scan launches, with which parameters and in
// which order. Pure arithmetic on a plan, shared by the backends for GPUs.
#pragma once

#include <cstdint>
#include <vector>

#include "../../../metal/params.h"
#include "../core/backend.h"
#include "launch.h"

namespace upsweep {

// What a family of GPUs likes; its file in metal/ has the numbers.
struct Tuning {
  uint32_t threads;                          // of a threadgroup
  uint32_t (*items)(uint32_t element_size);  // a thread's part of a tile
  int64_t full;    // threadgroups from which on a device is busy
  bool look_back;  // whether its kernels do, and then they need no passes
};

// The kernels of one (op, dtype).
struct KernelSet {
  const char* name;   // as in upsweep_<name>, spine_<name>, downsweep_<name>
  uint32_t parts;     // elements of the kernel's in one of the dtype
  uint32_t itemsize;  // bytes of the kernel's element
};
// Throws std::invalid_argument where no GPU can compute in the dtype.
const KernelSet& kernel_set(Op op, Dtype dtype);

// Launches for all lines of a scan, or for a part of them where they are too
// many for one grid: up-sweep over panels · chunks threadgroups, spine over
// panels, down-sweep over panels · chunks, of which a single chunk takes the
// last one alone; or look-back over panels · chunks, where a chunk is one tile.
struct Passes {
  ScanParams params;
  uint32_t itemsize;  // bytes of the kernels' element
  int64_t panels;
  bool look_back;

  int64_t groups() const { return panels * params.chunks; }
  // Bytes of the aggregates and of the carries that the passes hand on. For
  // look-back, those of the ticket and the states, and none.
  size_t aggregate_bytes() const {
    if (!look_back) return entries() * kAggregateBytes;
    size_t states = entries();
    if (params.look_back_radix != 1)
      states += entries() + lines() * groups_of_tiles();
    return 16 + states * tile_state_bytes(itemsize);
  }
  size_t carry_bytes() const { return look_back ? 0 : entries() * kCarryBytes; }

 private:
  size_t lines() const {
    return static_cast<size_t>(panels) * params.width * params.batches;
  }
  size_t groups_of_tiles() const {
    return (params.chunks + params.look_back_radix - 1) /
           params.look_back_radix;
  }
  size_t entries() const {
    return params.chunks == 1 ? 0 : lines() * params.chunks;
  }
};

// Whether the kernels can walk the plan; where not, a contiguous input helps.
bool fits_kernels(const Plan& plan);

// For a plan that fits. in_offset is in elements of the dtype. An empty scan
// has no passes.
std::vector<Passes> make_passes(const Plan& plan, const KernelSet& kernels,
                                int64_t in_offset, bool inclusive,
                                const Tuning& tuning);

Launch to_launch(const Passes& passes, const KernelSet& kernels);

}  // namespace upsweep
