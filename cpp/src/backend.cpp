// Which backends there are: the only file that knows which were compiled in.
#include "core/backend.h"

#include <stdexcept>

#include "cpu/backend.h"
#ifdef UPSWEEP_CUDA
#include "cuda/backend.h"
#endif
#ifdef UPSWEEP_METAL
#include "metal/backend.h"
#endif

namespace upsweep {

Backend* find_backend(DeviceType type) {
  if (type == DeviceType::cpu) return &cpu_backend();
#if defined(UPSWEEP_METAL)
  return metal_backend();
#elif defined(UPSWEEP_CUDA)
  return cuda_backend();
#else
  return nullptr;
#endif
}

std::string why_no_backend([[maybe_unused]] DeviceType type) {
#if defined(UPSWEEP_METAL)
  if (type == DeviceType::gpu) return "Metal offers none that upsweep can use";
#elif defined(UPSWEEP_CUDA)
  if (type == DeviceType::gpu) return why_no_cuda();
#endif
  return {};
}

StoragePtr Backend::borrow(Device, ResultMemory) {
  throw std::invalid_argument(
      "[into] The device can write to memory of its own only; leave into "
      "empty.");
}

Backend& backend(Stream stream) { return *find_backend(stream.device.type); }

DeviceMemory& device_memory(DeviceType type) {
  DeviceMemory* memory = find_backend(type)->device_memory();
  if (memory) return *memory;
  throw std::invalid_argument(
      "[stream] The device has no memory of its own; its arrays are in that of "
      "the processors.");
}

}  // namespace upsweep
