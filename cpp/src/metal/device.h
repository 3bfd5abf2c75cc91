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

// Asks the system at the first call; nullptr where it has no GPU, as in some
// virtual machines, or one with memory of its own, or is older than macOS 14.
MetalDevice* metal_device();

// Releases at its end the objects that Metal has autoreleased meanwhile. The
// library's threads have no other such scope.
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
