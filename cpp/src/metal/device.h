// MetalDevice: the GPU of the system and the kernels compiled for it.
#pragma once

#include <Metal/Metal.hpp>

#include "library.h"

namespace upsweep {

struct MetalDevice {
  explicit MetalDevice(NS::SharedPtr<MTL::Device> device)
      : handle(std::move(device)), library(handle.get()) {}

  NS::SharedPtr<MTL::Device> handle;
  MetalLibrary library;
};

// Asks the system on the first call. Returns nullptr if there is no GPU (as in
// some virtual machines), if the GPU has memory of its own, or before macOS 14.
MetalDevice* metal_device();

// At its end, releases the objects that Metal has autoreleased meanwhile. The
// library's threads have no other autorelease pool.
class AutoreleaseScope {
 public:
  AutoreleaseScope()
      : pool_(NS::TransferPtr(NS::AutoreleasePool::alloc()->init())) {}
  AutoreleaseScope(const AutoreleaseScope&) = delete;
  AutoreleaseScope& operator=(const AutoreleaseScope&) = delete;

 private:
  NS::SharedPtr<NS::AutoreleasePool> pool_;
};

}  // namespace upsweep
