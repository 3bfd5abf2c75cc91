// Packing: a piece of an array with any strides, copied to memory without gaps,
// so that kernels can load whole registers of it.
#pragma once

#include <cstddef>
#include <vector>

#include "../core/plan.h"

namespace upsweep {

// Whether the input of a plan has no gaps: then nothing has to be packed.
bool is_packed(const Plan& plan);

class Packing {
 public:
  // `axes` are those of a CopiedInput.
  Packing(const std::vector<Plan::Axis>& axes, size_t itemsize);

  // Copies elements of the array in row-major order, `count` from `first` on.
  void pack(const void* in, int64_t first, int64_t count, void* out) const;

  // Brings into the cache what pack will read for the same elements, if they
  // are close and the row does not end among them. Processors do not foresee
  // it where rows are short.
  void prefetch(const void* in, int64_t first, int64_t count) const;

 private:
  std::vector<Plan::Axis> axes_;  // at least one
  size_t itemsize_;
};

}  // namespace upsweep
