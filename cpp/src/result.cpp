// Allocating results, and naming errors.
#include "result.h"

#include "array_access.h"
#include "core/backend.h"
#include "core/shape.h"

namespace upsweep {

array make_result(const char* op, const Shape& shape, Dtype dtype,
                  Stream stream, ResultMemory into) {
  size_t nbytes =
      static_cast<size_t>(checked_size(op, shape, dtype)) * dtype.size();
  if (into.empty()) {
    return make_array(backend(stream).allocate(stream.device, nbytes), shape,
                      dtype);
  }
  if (into.size() != nbytes) {
    throw std::invalid_argument(
        std::string("[") + op + "] into has " + std::to_string(into.size()) +
        " bytes; the result has " + std::to_string(nbytes) + ".");
  }
  return make_array(backend(stream).borrow(stream.device, into), shape, dtype);
}

array make_final_result(const char* op, const Shape& shape, Dtype dtype,
                        Stream stream, ResultMemory into) {
  bool is_empty = checked_size(op, shape, dtype) == 0;
  if (into.empty() && !is_empty) backend(stream).check_owns_results(stream);
  return make_result(op, shape, dtype, stream, into);
}

void wait_until_idle(Stream stream) { backend(stream).wait_until_idle(stream); }

std::string renamed(const char* op, const std::string& error) {
  size_t end = error.starts_with('[') ? error.find("] ") : std::string::npos;
  std::string text = end == std::string::npos ? error : error.substr(end + 2);
  return std::string("[") + op + "] " + text;
}

}  // namespace upsweep
