// Finds the GPU.
#include "device.h"

namespace upsweep {

MetalDevice* metal_device() {
  // Never destroyed: arrays with static lifetime may outlive it.
  static MetalDevice* const found = []() -> MetalDevice* {
    AutoreleaseScope scope;
    // Older systems do not know the language of the kernels, Metal 3.1.
    if (!NS::ProcessInfo::processInfo()->isOperatingSystemAtLeastVersion(
            {14, 0, 0})) {
      return nullptr;
    }
    auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
    // The whole backend relies on the GPU and the CPU sharing one memory.
    if (!device || !device->hasUnifiedMemory()) return nullptr;
    return new MetalDevice(std::move(device));
  }();
  return found;
}

}  // namespace upsweep
