// Kernel sets: the kernels of metal/ for each op and dtype.
#pragma once

#include <cstdint>

#include "../core/backend.h"

namespace upsweep {

// The kernels of one (op, dtype), with resets or without, of recurrences, or of
// derivatives.
struct KernelSet {
  const char* name;     // as in upsweep_<name>, spine_<name>, downsweep_<name>
  uint32_t components;  // kernel elements in one element of the dtype
  uint32_t itemsize;    // bytes of the kernel's element
  bool has_resets;
  uint32_t inputs = 1;  // arrays whose elements it reads
};
// Throws std::invalid_argument if no GPU can compute in the dtype.
const KernelSet& kernel_set(Op op, Dtype dtype);
// Only for a dtype that reset_dtype returns.
const KernelSet& reset_kernel_set(Op op, Dtype dtype);
// The kernels of cumprod_frexp, whose elements are pairs (metal/frexp.h).
const KernelSet& frexp_kernel_set(Dtype dtype);
// The dtype to which a scan with resets converts elements before, and from
// which it converts results. Throws like kernel_set.
Dtype reset_dtype(Op op, Dtype dtype);
// The kernels of recurrences in a dtype, or nullptr if there are none.
const KernelSet* recurrence_kernel_set(Dtype dtype);
// Those of a derivative of products, likewise.
const KernelSet* derivative_kernel_set(Derivative kind, Dtype dtype);

}  // namespace upsweep
