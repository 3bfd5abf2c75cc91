// Checks what other libraries say about their memory.
//
// Descriptions come from C structs that any code may have filled, and a wrong
// one would make a scan read memory that is not there. This checks everything
// that a description alone can show. Only the owner knows how far the memory
// really reaches.
#include <limits>

#include "bindings.h"

namespace upsweep::python {

namespace {

constexpr int64_t kMostAxes = 64;

// Wider than an address, so that arithmetic on addresses cannot overflow.
__extension__ using Wide = __int128;

Shape checked_shape(const auto& said, const char* op) {
  if (said.ndim < 0) {
    malformed(op, "ndim is " + std::to_string(said.ndim));
  }
  if (said.ndim > kMostAxes) {
    throw std::invalid_argument(std::string("[") + op +
                                "] Arrays have at most 64 dimensions, not " +
                                std::to_string(said.ndim) + ".");
  }
  if (said.ndim > 0 && !said.shape) {
    malformed(op, "shape is NULL, and ndim " + std::to_string(said.ndim));
  }
  Shape shape(said.shape, said.shape + said.ndim);
  for (int64_t extent : shape) {
    if (extent < 0) {
      malformed(op, "shape has an extent of " + std::to_string(extent));
    }
  }
  return shape;
}

// The number of elements; 0 if any extent is 0.
int64_t checked_size(const Shape& shape, Dtype dtype, const char* op) {
  for (int64_t extent : shape) {
    if (extent == 0) return 0;
  }
  Wide bytes = static_cast<Wide>(dtype.size());
  for (int64_t extent : shape) {
    bytes *= extent;
    if (bytes > std::numeric_limits<int64_t>::max()) {
      throw OutOfMemory(std::string("[") + op +
                        "] The shape holds more bytes than can be addressed.");
    }
  }
  return static_cast<int64_t>(bytes) / static_cast<int64_t>(dtype.size());
}

// In bytes. The stride of an axis of one element means nothing and is ignored.
Strides checked_strides(const auto& said, const Shape& shape, bool is_empty,
                        Dtype dtype, const char* op) {
  Strides strides(shape.size(), 0);
  if (is_empty) return strides;
  auto step = static_cast<int64_t>(dtype.size());
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    if (!said.strides) {
      strides[i] = step;
      step *= shape[i];
    } else if (__builtin_mul_overflow(static_cast<int64_t>(said.strides[i]),
                                      said.stride_unit, &strides[i])) {
      malformed(op, "strides has " + std::to_string(said.strides[i]) +
                        ", whose bytes cannot be counted");
    }
  }
  return strides;
}

// Whether every element has an address.
bool is_addressable(Wide first, const Shape& shape, const Strides& strides,
                    Dtype dtype) {
  Wide low = first, high = first + static_cast<Wide>(dtype.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    Wide reach = static_cast<Wide>(shape[i] - 1) * strides[i];
    (reach < 0 ? low : high) += reach;
  }
  return low > 0 && high - low <= std::numeric_limits<int64_t>::max() &&
         high <= std::numeric_limits<uintptr_t>::max();
}

}  // namespace

void malformed(const char* op, const std::string& what) {
  std::string text =
      std::string("[") + op +
      "] The other library describes memory that cannot be: " + what + ".";
  throw nb::buffer_error(text.c_str());
}

template <class Int>
Foreign checked_memory(const Description<Int>& said, Dtype dtype,
                       const char* op) {
  Shape shape = checked_shape(said, op);
  int64_t size = checked_size(shape, dtype, op);
  Strides strides = checked_strides(said, shape, size == 0, dtype, op);
  Wide first = static_cast<Wide>(reinterpret_cast<uintptr_t>(said.data)) +
               said.byte_offset;
  if (size > 0 && !said.data) {
    malformed(op, "data is NULL, and there are " + std::to_string(size) +
                      " elements. A tensor without storage of its own, such as "
                      "a fake one, has to be made real first");
  }
  if (size == 0) {
    first = 0;
  } else if (said.byte_offset > std::numeric_limits<int64_t>::max() ||
             first + static_cast<Wide>(dtype.size()) >
                 std::numeric_limits<uintptr_t>::max()) {
    malformed(op, "byte_offset is " + std::to_string(said.byte_offset));
  } else if (!is_addressable(first, shape, strides, dtype)) {
    malformed(op, "strides reach further than can be addressed");
  }
  return {reinterpret_cast<const void*>(static_cast<uintptr_t>(first)),
          std::move(shape),
          std::move(strides),
          dtype,
          nullptr,
          std::nullopt};
}

template Foreign checked_memory(const Description<int64_t>&, Dtype,
                                const char*);
#ifdef __APPLE__  // where 64 bits have two names
template Foreign checked_memory(const Description<Py_ssize_t>&, Dtype,
                                const char*);
#endif

}  // namespace upsweep::python
