// Allocating results, and naming errors.
#include "result.h"

#include "axis.h"
#include "backend.h"

namespace upsweep {

array make_result(const char* op, const Shape& shape, Dtype dtype,
                  Stream stream) {
  auto size = static_cast<size_t>(checked_size(op, shape, dtype));
  Backend& device = backend(stream);
  auto allocate = [&] {
    return array(device.allocate(stream.device, size * dtype.size()), shape,
                 dtype);
  };
  try {
    return allocate();
  } catch (const OutOfMemory&) {
    device.wait_until_idle(stream);
  }
  return in_the_name_of(op, allocate);
}

std::string renamed(const char* op, const std::string& error) {
  size_t end = error.starts_with('[') ? error.find("] ") : std::string::npos;
  std::string text = end == std::string::npos ? error : error.substr(end + 2);
  return std::string("[") + op + "] " + text;
}

}  // namespace upsweep
