// Which backends there are: the only file that knows which were compiled in.
#include "backend.h"

#include "cpu/backend.h"
#ifdef UPSWEEP_METAL
#include "metal/backend.h"
#endif

namespace upsweep {

Backend* find_backend(DeviceType type) {
  if (type == DeviceType::cpu) return &cpu_backend();
#ifdef UPSWEEP_METAL
  return metal_backend();
#else
  return nullptr;
#endif
}

Backend& backend(Stream stream) { return *find_backend(stream.device.type); }

}  // namespace upsweep
