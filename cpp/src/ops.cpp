// Constructors and copies: arrays that are filled or converted on a stream.
#include "upsweep/ops.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "array_access.h"
#include "core/backend.h"
#include "core/shape.h"
#include "host/pool.h"
#include "result.h"
#include "upsweep/error.h"
#include "upsweep/float_mode.h"

namespace upsweep {

namespace {

array convert(const char* op, const array& a, Dtype dtype, StreamOrDevice s) {
  Stream stream = stream_for(op, s);
  return produce(op, stream, [&] {
    array out = make_result(op, a.shape(), dtype, stream);
    backend(stream).copy(
        stream, {merge_axes(a.shape(), a.strides(), out.strides()), a.dtype(),
                 dtype, a.offset(), storage_of(a), storage_of(out)});
    return out;
  });
}

// start, start + step, …, computed in T and then converted.
template <class T>
array range(T start, T step, int64_t size, Dtype dtype, StreamOrDevice s) {
  if (dtype == bool_) {
    throw TypeError("[arange] bool_ has no ranges; use another dtype.");
  }
  Stream stream = stream_for("arange", s);
  constexpr Dtype wide = std::is_same_v<T, double> ? float64 : int64;
  array counted = produce("arange", stream, [&] {
    array out = make_result("arange", {size}, wide, stream);
    auto* values = static_cast<T*>(storage_of(out)->data());
    auto fill = [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        values[i] = start + static_cast<T>(i) * step;
      }
    };
    backend(stream).run_on_host(
        stream, {[=] { for_ranges(size, fill); }, {}, storage_of(out), size});
    return out;
  });
  return astype(counted, dtype, stream);
}

}  // namespace

array astype(const array& a, Dtype dtype, StreamOrDevice s) {
  return a.dtype() == dtype ? a : convert("astype", a, dtype, s);
}

array contiguous(const array& a, StreamOrDevice s) {
  return a.is_contiguous() ? a : copy(a, s);
}

array copy(const array& a, StreamOrDevice s) {
  return convert("copy", a, a.dtype(), s);
}

array full(const Shape& shape, const array& vals, std::optional<Dtype> dtype,
           StreamOrDevice s) {
  checked_size("full", shape, dtype.value_or(vals.dtype()));
  return convert("full", broadcast_to(vals, shape),
                 dtype.value_or(vals.dtype()), s);
}

array zeros(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  return full(shape, array(uint8_t{0}), dtype, s);
}

array ones(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  return full(shape, array(uint8_t{1}), dtype, s);
}

array arange(double start, double stop, double step, Dtype dtype,
             StreamOrDevice s) {
  FloatMode mode;
  if (!std::isfinite(start) || !std::isfinite(stop) || !std::isfinite(step) ||
      step == 0) {
    throw std::invalid_argument(
        "[arange] start, stop and step must be finite, and step not zero.");
  }
  double count = std::ceil((stop - start) / step);
  if (count > 0x1p60) {
    throw OutOfMemory("[arange] The range holds more than 2^60 elements.");
  }
  return range(start, step, static_cast<int64_t>(std::max(count, 0.0)), dtype,
               s);
}

array integer_arange(int64_t start, int64_t stop, int64_t step, Dtype dtype,
                     StreamOrDevice s) {
  if (step == 0) {
    throw std::invalid_argument("[arange] step must not be zero.");
  }
  // Unsigned, so that no distance overflows.
  auto from = static_cast<uint64_t>(start), to = static_cast<uint64_t>(stop);
  auto by = static_cast<uint64_t>(step);
  uint64_t count = 0;
  if (step > 0 && start < stop) count = (to - from - 1) / by + 1;
  if (step < 0 && start > stop) count = (from - to - 1) / (0 - by) + 1;
  if (count > uint64_t{1} << 60) {
    throw OutOfMemory("[arange] The range holds more than 2^60 elements.");
  }
  return range(from, by, static_cast<int64_t>(count), dtype, s);
}

}  // namespace upsweep
