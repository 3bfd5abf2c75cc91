// Starts: the prefixes with which the lines of a scan start.
#pragma once

#include "../core/backend.h"
#include "../host/carries.h"
#include "kernels.h"
#include "tiling.h"

namespace upsweep {

class Starts {
 public:
  Starts(const Initial& initial, Op op, Dtype dtype, const Plan& plan,
         const Kernel& kernel)
      : initial_(initial),
        op_(op),
        dtype_(dtype),
        methods_(carry_methods(op, dtype)),
        plan_(plan),
        kernel_(kernel),
        itemsize_(static_cast<int64_t>(dtype.size())) {}

  // The carry that enters a panel.
  void set(void* carry, const Panel& panel) const {
    kernel_.init_carry(carry, panel.width);
    if (initial_.kind == Initial::Kind::identity) return;
    for (int64_t i = 0; i < panel.width; ++i) {
      kernel_.set_prefix(carry, i, record(line(panel, i)).prefix,
                         kernel_.key_mask);
    }
  }

  // What a line starts with.
  CarryRecord record(int64_t line) const {
    return first_record(initial_, op_, dtype_, line);
  }

  // The number of line i of a panel.
  int64_t line(const Panel& panel, int64_t i) const {
    return plan_.line_at(panel.out + i * plan_.inner.out_step);
  }

  // Writes the carry that enters a panel before the results of its first tile.
  void store(const void* carry, const Tile& tile) const {
    auto* out = static_cast<char*>(tile.out) - tile.out_step * itemsize_;
    for (int64_t i = 0; i < tile.width; ++i) {
      CarryRecord record = methods_.identity();
      record.prefix = kernel_.prefix(carry, i, kernel_.key_mask);
      methods_.store_value(record, out + i * tile.out_lane * itemsize_);
    }
  }

 private:
  const Initial& initial_;
  Op op_;
  Dtype dtype_;
  const CarryMethods& methods_;
  const Plan& plan_;
  const Kernel& kernel_;
  int64_t itemsize_;
};

}  // namespace upsweep
