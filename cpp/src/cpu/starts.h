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
    if (are_identity()) return;
    for (int64_t i = 0; i < panel.width; ++i)
      set_line(carry, i, line(panel, i));
  }

  // Whether init_carry already sets what lines start with.
  bool are_identity() const { return initial_.kind == Initial::Kind::identity; }

  // Line i of a carry: sets it to what a line starts with.
  void set_line(void* carry, int64_t i, int64_t line) const {
    kernel_.set_prefix(carry, i, record(line).prefix, kernel_.key_mask);
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
      store_line(carry, i, out + i * tile.out_lane * itemsize_);
    }
  }

  // Writes line i of a carry as a result.
  void store_line(const void* carry, int64_t i, void* out) const {
    CarryRecord record = methods_.identity();
    record.prefix = kernel_.prefix(carry, i, kernel_.key_mask);
    methods_.store_value(record, out);
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
