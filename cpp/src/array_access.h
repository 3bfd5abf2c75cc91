// How the core reaches the storage of an array, which the public header hides.
#pragma once

#include <utility>

#include "core/backend.h"
#include "upsweep/array.h"

namespace upsweep {

struct ArrayAccess {
  static const StoragePtr& storage(const array& a);
  static array make(StoragePtr storage, Shape shape, Dtype dtype);
};

inline const StoragePtr& storage_of(const array& a) {
  return ArrayAccess::storage(a);
}

// A contiguous array over storage that work is about to write.
inline array make_array(StoragePtr storage, Shape shape, Dtype dtype) {
  return ArrayAccess::make(std::move(storage), std::move(shape), dtype);
}

}  // namespace upsweep
