// array: an immutable n-dimensional value over shared storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "upsweep/device.h"
#include "upsweep/dtype.h"
#include "upsweep/error.h"

namespace upsweep {

using Shape = std::vector<int64_t>;
/// Distances between neighbours along each axis, in elements; any sign.
using Strides = std::vector<int64_t>;

class Storage;       // the bytes and the event of the work that writes them
struct ArrayAccess;  // for the core

/// Shape, strides, offset and dtype over shared, immutable storage. Copies and
/// views are cheap. The array may not be computed yet: anything that reads its
/// elements waits first, and throws the error of the work if it failed.
class array {
 public:
  /// A 0-d array of one value.
  template <Element T>
  explicit array(T value) : array(&value, {}, dtype_of<T>) {}

  /// A 1-d array of the values.
  template <Element T>
  array(std::initializer_list<T> values)
      : array(values.begin(), {static_cast<int64_t>(values.size())}) {}

  /// A copy of contiguous values in row-major order.
  template <Element T>
  array(const T* values, Shape shape)
      : array(static_cast<const void*>(values), std::move(shape), dtype_of<T>) {
  }
  array(const void* bytes, Shape shape, Dtype dtype);

  /// Shares memory that lives elsewhere: data points at the element of index
  /// zero, and strides are in elements. release is called once, on any thread,
  /// when the last array over the memory is gone and no work uses it; it is not
  /// called if adopt throws. It may wait for streams and results, because no
  /// work waits for it. The memory must not change while arrays use it and must
  /// be aligned to its dtype.
  static array adopt(const void* data, Shape shape, Strides strides,
                     Dtype dtype, std::function<void()> release);

  /// The same for memory of the stream's device, which must have its own memory
  /// (has_own_memory). Work given to the stream from now on may read it. If the
  /// stream is another library's (wrap_native_stream) and release is empty, the
  /// memory is lent: its owner may reuse it in the order of that stream. Then
  /// results that go into lent memory too count as computed at once, in the
  /// same order; data() and device_data() wait for the stream if they have to.
  static array adopt(const void* data, Shape shape, Strides strides,
                     Dtype dtype, std::function<void()> release, Stream stream);

  /// A view of the same storage with other geometry; offset is in elements from
  /// the start of the storage. The caller is responsible for bounds.
  array as_strided(Shape shape, Strides strides, int64_t offset) const;

  /// The bytes of a contiguous array as elements of another shape and dtype.
  /// Throws std::invalid_argument if their number differs.
  array reinterpret(Shape shape, Dtype dtype) const;

  const Shape& shape() const { return shape_; }
  /// The extent of one axis, counted from the end when negative.
  int64_t shape(int axis) const;
  const Strides& strides() const { return strides_; }
  /// Elements from the start of the storage to the element of index zero.
  int64_t offset() const { return offset_; }
  Dtype dtype() const { return dtype_; }
  int ndim() const { return static_cast<int>(shape_.size()); }
  /// The number of elements.
  int64_t size() const { return size_; }
  size_t itemsize() const { return dtype_.size(); }
  /// The number of bytes of all elements.
  size_t nbytes() const { return static_cast<size_t>(size_) * itemsize(); }
  /// The device on which the work that produces this array runs.
  Device device() const;

  /// Whether elements lie in row-major order without gaps.
  bool is_contiguous() const;

  /// Waits for the work that produces this array; throws its error.
  void wait() const;
  /// Whether wait() would return at once.
  bool is_ready() const;

  /// The address of the element of index zero, once the array is computed; walk
  /// it with strides(). T must match the dtype (TypeError otherwise). For
  /// adopted bool_ memory, read elements with load_element<bool>.
  template <Element T>
  const T* data() const {
    check_dtype(dtype_of<T>);
    return static_cast<const T*>(raw_data());
  }
  const void* raw_data() const;

  /// The address of the element of index zero in the memory of the array's
  /// device, which must have its own (has_own_memory). Work given to the
  /// consumer's stream (a CUstream) from now on may read it; without a stream,
  /// the call waits for the array. Keep the array until all work that reads it
  /// has been given to that stream.
  const void* device_data(void* consumer) const;

  /// The only element. Throws std::invalid_argument unless there is exactly
  /// one, and TypeError if T does not match the dtype.
  template <Element T>
  T item() const {
    check_one_element();
    return load_element<T>(data<T>());
  }

 private:
  friend struct ArrayAccess;

  array(std::shared_ptr<Storage> storage, Shape shape, Strides strides,
        int64_t offset, Dtype dtype);
  void check_dtype(Dtype wanted) const;
  void check_one_element() const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Strides strides_;
  int64_t offset_ = 0;
  int64_t size_ = 1;
  Dtype dtype_;
};

/// Memory of a stream's device that another library lends for a result: as many
/// bytes as the result has, aligned to its dtype, on a GPU to 16 bytes. It must
/// last as long as the result and its work, and must not be that of an input.
/// An empty one is new memory of upsweep's; std::runtime_error while a CUDA
/// graph captures the stream, which could not own it. std::invalid_argument
/// where the device can write to its own memory only, as Metal does.
using ResultMemory = std::span<std::byte>;

/// Waits for all the given arrays; throws the first error.
void eval(const std::vector<array>& arrays);
/// Returns at once: work starts when an operation is called, so there is
/// nothing to launch. It exists so that code written for MLX runs unchanged.
void async_eval(const std::vector<array>& arrays);

}  // namespace upsweep
