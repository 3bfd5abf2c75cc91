// How the core reaches the storage of a Carry, which the public header hides.
#pragma once

#include <utility>

#include "core/backend.h"
#include "upsweep/carry.h"

namespace upsweep {

struct CarryAccess {
  static const StoragePtr& storage(const Carry& carry) {
    return carry.storage_;
  }
  // Over records that work is about to write.
  static Carry make(Op op, Dtype dtype, bool reverse, Shape shape,
                    StoragePtr storage) {
    return {op, dtype, reverse, std::move(shape), std::move(storage)};
  }
};

}  // namespace upsweep
