// The structures of DLPack, and what passes between them and arrays.
#pragma once

#include <cstdint>
#include <memory>

#include "bindings.h"

namespace upsweep::python {

// Of the specification, version 1.0.
struct DLDevice {
  int32_t type;
  int32_t id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  static constexpr char kName[] = "dltensor";
  static constexpr char kUsedName[] = "used_dltensor";

  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  static constexpr char kName[] = "dltensor_versioned";
  static constexpr char kUsedName[] = "used_dltensor_versioned";

  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

constexpr DLDevice kMainMemory{1, 0};
constexpr int32_t kGpuMemory = 2;  // CUDA's
constexpr uint64_t kReadOnly = 1, kIsCopied = 2;

// dlpack.cpp; Managed is either form.

/// A managed tensor over an array, whose elements are at data; its deleter
/// releases the array. The older form has no flags.
template <class Managed>
Managed* to_managed(array a, DLDevice device, const void* data, uint64_t flags);
/// What a managed tensor describes, checked. It has no owner yet.
template <class Managed>
Foreign from_managed(const Managed& managed, DLDevice device, const char* op);
/// The owner of a managed tensor, which calls its deleter.
template <class Managed>
std::shared_ptr<void> own(Managed* managed) {
  return own(managed, [](void* object) {
    auto* tensor = static_cast<Managed*>(object);
    if (tensor->deleter) tensor->deleter(tensor);
  });
}

}  // namespace upsweep::python
