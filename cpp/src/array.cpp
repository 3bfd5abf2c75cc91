// array: construction, geometry, and waiting for its storage.
#include "upsweep/array.h"

#include <algorithm>
#include <cstring>

#include "array_access.h"
#include "axis.h"
#include "core/backend.h"
#include "core/release.h"
#include "core/shape.h"
#include "result.h"

namespace upsweep {

namespace {

void check_dimensions(const Shape& shape, const Strides& strides) {
  if (shape.size() > 64) {
    throw std::invalid_argument(
        "[array] Arrays have at most 64 dimensions, not " +
        std::to_string(shape.size()) + ".");
  }
  if (strides.size() != shape.size()) {
    throw std::invalid_argument(
        "[array] Invalid number of strides for array with " +
        std::to_string(shape.size()) +
        " dimensions: " + std::to_string(strides.size()) + ".");
  }
}

// The distance from the first to the last element of an axis, negative if the
// stride is. Adds its magnitude to span and checks that 64 bits can count the
// bytes of that.
int64_t reach(int64_t extent, int64_t stride, Dtype dtype, int64_t& span) {
  auto itemsize = static_cast<int64_t>(dtype.size());
  int64_t far, bytes;
  if (__builtin_mul_overflow(extent - 1, stride, &far) ||
      (far < 0 ? __builtin_sub_overflow(span, far, &span)
               : __builtin_add_overflow(span, far, &span)) ||
      __builtin_mul_overflow(span, itemsize, &bytes)) {
    throw std::invalid_argument(
        "[array] Stride " + std::to_string(stride) + " for an axis of size " +
        std::to_string(extent) + " reaches further than can be addressed.");
  }
  return far;
}

// The memory that strides reach, from the lowest address on.
struct Extent {
  int64_t before;  // elements below index zero
  int64_t bytes_before;
  size_t nbytes;
};

// Throws if no memory can have this layout.
Extent extent_of(const Shape& shape, const Strides& strides, Dtype dtype) {
  check_dimensions(shape, strides);
  bool empty = checked_size("array", shape, dtype) == 0;
  int64_t before = 0, span = empty ? -1 : 0;
  for (size_t i = 0; !empty && i < shape.size(); ++i) {
    before -= std::min<int64_t>(reach(shape[i], strides[i], dtype, span), 0);
  }
  return {before, before * static_cast<int64_t>(dtype.size()),
          static_cast<size_t>(span + 1) * dtype.size()};
}

}  // namespace

array::array(std::shared_ptr<Storage> storage, Shape shape, Strides strides,
             int64_t offset, Dtype dtype)
    : storage_(std::move(storage)),
      shape_(std::move(shape)),
      strides_(std::move(strides)),
      offset_(offset),
      dtype_(dtype) {
  check_dimensions(shape_, strides_);
  size_ = element_count(shape_);
}

array::array(const void* bytes, Shape shape, Dtype dtype)
    : array(make_result("array", shape, dtype, {0, DeviceType::cpu})) {
  if (size_ > 0) std::memcpy(storage_->data(), bytes, nbytes());
  storage_->ready().signal();
}

array array::adopt(const void* data, Shape shape, Strides strides, Dtype dtype,
                   std::function<void()> release) {
  Extent extent = extent_of(shape, strides, dtype);
  auto storage = std::make_shared<AdoptedStorage>(
      static_cast<const char*>(data) - extent.bytes_before, extent.nbytes,
      std::move(release));
  return array(std::move(storage), std::move(shape), std::move(strides),
               extent.before, dtype);
}

array array::adopt(const void* data, Shape shape, Strides strides, Dtype dtype,
                   std::function<void()> release, Stream stream) {
  Extent extent = extent_of(shape, strides, dtype);
  stream = to_stream(stream);
  auto* start = static_cast<const char*>(data) - extent.bytes_before;
  // Kernels need 16-byte alignment; they do not read the extra bytes.
  size_t more = reinterpret_cast<uintptr_t>(start) % 16;
  auto storage = device_memory(stream.device.type)
                     .adopt(stream, start - more, extent.nbytes + more,
                            std::move(release));
  return array(std::move(storage), std::move(shape), std::move(strides),
               extent.before + static_cast<int64_t>(more / dtype.size()),
               dtype);
}

array array::reinterpret(Shape shape, Dtype dtype) const {
  if (!is_contiguous() ||
      static_cast<size_t>(checked_size("reinterpret", shape, dtype)) *
              dtype.size() !=
          nbytes() ||
      offset_ * static_cast<int64_t>(itemsize()) %
              static_cast<int64_t>(dtype.size()) !=
          0) {
    throw std::invalid_argument(
        "[reinterpret] The bytes of the array are not those of shape " +
        to_string(shape) + " and dtype " + dtype.name() + ".");
  }
  Strides strides = contiguous_strides(shape);
  int64_t offset = offset_ * static_cast<int64_t>(itemsize()) /
                   static_cast<int64_t>(dtype.size());
  return array(storage_, std::move(shape), std::move(strides), offset, dtype);
}

array array::as_strided(Shape shape, Strides strides, int64_t offset) const {
  return array(storage_, std::move(shape), std::move(strides), offset, dtype_);
}

int64_t array::shape(int axis) const {
  return shape_[static_cast<size_t>(normalize_axis("shape", axis, ndim()))];
}

Device array::device() const { return storage_->device(); }

bool array::is_contiguous() const {
  if (size_ == 0) return true;
  int64_t step = 1;
  for (size_t i = shape_.size(); i-- > 0;) {
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

const StoragePtr& ArrayAccess::storage(const array& a) { return a.storage_; }

array ArrayAccess::make(StoragePtr storage, Shape shape, Dtype dtype) {
  Strides strides = contiguous_strides(shape);
  return array(std::move(storage), std::move(shape), std::move(strides), 0,
               dtype);
}

void array::wait() const {
  storage_->ready().wait();
  run_due_releases();
}
bool array::is_ready() const { return storage_->ready().is_ready(); }

const void* array::raw_data() const {
  wait();
  return static_cast<const char*>(storage_->data()) +
         offset_ * static_cast<int64_t>(itemsize());
}

const void* array::device_data(void* consumer) const {
  DeviceMemory& memory = device_memory(device().type);
  return static_cast<const char*>(memory.export_pointer(storage_, consumer)) +
         offset_ * static_cast<int64_t>(itemsize());
}

void array::check_dtype(Dtype wanted) const {
  if (wanted != dtype_) {
    throw TypeError(std::string("[data] The array holds ") + dtype_.name() +
                    ", not " + wanted.name() + "; astype converts it.");
  }
}

void array::check_one_element() const {
  if (size_ != 1) {
    throw std::invalid_argument(
        "[convert] Only length-1 arrays can be converted to Python scalars.");
  }
}

void eval(const std::vector<array>& arrays) {
  for (const array& a : arrays) a.wait();
}

void async_eval(const std::vector<array>&) {}

}  // namespace upsweep
