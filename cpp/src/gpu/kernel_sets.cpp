// Finds the kernels of an op and a dtype in the tables of metal/kernels.def.
#include "kernel_sets.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace upsweep {

namespace {

uint32_t element_size(Dtype dtype, uint32_t components) {
  return static_cast<uint32_t>(dtype.size()) / components;
}

// A row of a table in kernels.def.
template <class T>
struct Entry {
  Op op;
  Dtype dtype;
  T value;
};

template <class T, size_t n>
const T& find(const Entry<T> (&entries)[n], Op op, Dtype dtype) {
  for (const Entry<T>& entry : entries) {
    if (entry.op == op && entry.dtype == dtype) return entry.value;
  }
  throw std::invalid_argument(
      std::string("[") + scan_name(op) + "] " + dtype.name() +
      " is not supported on the GPU; give the scan a stream of the CPU, as in "
      "stream=upsweep.cpu.");
}

template <class Key, size_t n>
const KernelSet* find_or_none(const std::pair<Key, KernelSet> (&sets)[n],
                              const Key& key) {
  for (const auto& [of, set] : sets) {
    if (of == key) return &set;
  }
  return nullptr;
}

}  // namespace

const KernelSet& kernel_set(Op op, Dtype dtype) {
  static const Entry<KernelSet> entries[] = {
#define UPSWEEP_SCAN(op, dtype, name, components) \
  {Op::op, dtype, {#name, components, element_size(dtype, components), false}},
#include "../../../metal/kernels.def"
#undef UPSWEEP_SCAN
  };
  return find(entries, op, dtype);
}

const KernelSet& reset_kernel_set(Op op, Dtype dtype) {
  static const Entry<KernelSet> entries[] = {
#define UPSWEEP_SCAN(op, dtype, name, components) \
  {Op::op,                                        \
   dtype,                                         \
   {"resets_" #name, components, element_size(dtype, components), true}},
#include "../../../metal/kernels.def"
#undef UPSWEEP_SCAN
  };
  return find(entries, op, dtype);
}

const KernelSet& frexp_kernel_set(Dtype dtype) {
  static const Entry<KernelSet> entries[] = {
#define UPSWEEP_FREXP(dtype, name) {Op::prod, dtype, {#name, 1, 8, false}},
#include "../../../metal/kernels.def"
#undef UPSWEEP_FREXP
  };
  return find(entries, Op::prod, dtype);
}

Dtype reset_dtype(Op op, Dtype dtype) {
  static const Entry<Dtype> entries[] = {
#define UPSWEEP_RESETS(op, dtype, computed) {Op::op, dtype, computed},
#include "../../../metal/kernels.def"
#undef UPSWEEP_RESETS
  };
  return find(entries, op, dtype);
}

const KernelSet* recurrence_kernel_set(Dtype dtype) {
  static const std::pair<Dtype, KernelSet> sets[] = {
#define UPSWEEP_RECURRENCE(dtype, name) \
  {dtype, {#name, 1, element_size(dtype, 1), true, 2}},
#include "../../../metal/kernels.def"
#undef UPSWEEP_RECURRENCE
  };
  return find_or_none(sets, dtype);
}

const KernelSet* derivative_kernel_set(Derivative kind, Dtype dtype) {
  static const std::pair<std::pair<Derivative, Dtype>, KernelSet> sets[] = {
#define UPSWEEP_DERIVATIVE(kind, dtype, name) \
  {{Derivative::kind, dtype}, {#name, 1, element_size(dtype, 1), false, 2}},
#include "../../../metal/kernels.def"
#undef UPSWEEP_DERIVATIVE
  };
  return find_or_none(sets, {kind, dtype});
}

}  // namespace upsweep
