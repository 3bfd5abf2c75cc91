// Tiles: where the tiles of a scan are in memory.
#pragma once

#include <algorithm>

#include "../core/plan.h"
#include "kernels.h"
#include "tiling.h"

namespace upsweep {

class Tiles {
 public:
  // Without `out`, tiles are only reduced.
  Tiles(const Plan& plan, const Tiling& tiling, const Kernel& kernel,
        Dtype dtype, const void* in, int64_t in_offset, void* out,
        bool streaming)
      : plan_(plan),
        tiling_(tiling),
        key_mask_(kernel.key_mask),
        itemsize_(static_cast<int64_t>(dtype.size())),
        in_(static_cast<const char*>(in) + in_offset * itemsize_),
        out_(static_cast<char*>(out)),
        streaming_(streaming) {}

  Tile at(const Panel& panel, int64_t tile) const {
    int64_t first = tile * tiling_.tile;
    return rows(panel, first,
                std::min(tiling_.tile, plan_.length.extent - first));
  }

  // `length` elements of each line of a panel, from element `first` on.
  Tile rows(const Panel& panel, int64_t first, int64_t length) const {
    Tile tile{in_ + (panel.in + first * plan_.length.in_step) * itemsize_,
              nullptr,
              length,
              panel.width,
              plan_.length.in_step,
              plan_.inner.in_step,
              0,
              0,
              0,
              streaming_,
              key_mask_};
    if (out_) {
      int64_t at = panel.out + first * plan_.length.out_step;
      tile.out = out_ + at * itemsize_;
      tile.out_step = plan_.length.out_step;
      tile.out_lane = plan_.inner.out_step;
    }
    tile.next_read = lowest(tile);
    return tile;
  }

  // Where the input of a tile begins in memory.
  uintptr_t lowest(const Tile& tile) const {
    int64_t back = std::min<int64_t>(0, (tile.length - 1) * tile.in_step) +
                   std::min<int64_t>(0, (tile.width - 1) * tile.in_lane);
    return reinterpret_cast<uintptr_t>(tile.in) +
           static_cast<uintptr_t>(back * itemsize_);
  }

 private:
  const Plan& plan_;
  const Tiling& tiling_;
  uint64_t key_mask_;
  int64_t itemsize_;
  const char* in_;
  char* out_;
  bool streaming_;
};

}  // namespace upsweep
