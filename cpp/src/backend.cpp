// Which backends there are: the only file that knows which were compiled in.
#include "backend.h"

#include "cpu/backend.h"

namespace upsweep {

Backend* find_backend(DeviceType type) {
  return type == DeviceType::cpu ? &cpu_backend() : nullptr;
}

Backend& backend(Stream stream) { return *find_backend(stream.device.type); }

}  // namespace upsweep
