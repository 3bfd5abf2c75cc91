// Constructors and copies: arrays that are filled or converted on a stream.
#include "upsweep/ops.h"

#include <algorithm>
#include <cmath>

#include "axis.h"
#include "backend.h"
#include "upsweep/error.h"

namespace upsweep {

namespace {

array uninitialised(const char* op, const Shape& shape, Dtype dtype,
                    Stream stream) {
  auto size = static_cast<size_t>(checked_size(op, shape, dtype));
  return array(backend(stream).allocate(stream.device, size * dtype.size()),
               shape, dtype);
}

array convert(const array& a, Dtype dtype, StreamOrDevice s) {
  Stream stream = to_stream(s);
  array out = uninitialised("copy", a.shape(), dtype, stream);
  std::vector<Plan::Axis> axes;
  for (size_t i = 0; i < a.shape().size(); ++i) {
    axes.push_back({a.shape()[i], a.strides()[i], out.strides()[i]});
  }
  backend(stream).copy(stream, {merge_axes(axes), a.dtype(), dtype, a.offset(),
                                a.storage(), out.storage()});
  return out;
}

}  // namespace

array astype(const array& a, Dtype dtype, StreamOrDevice s) {
  return a.dtype() == dtype ? a : convert(a, dtype, s);
}

array contiguous(const array& a, StreamOrDevice s) {
  return a.is_contiguous() ? a : copy(a, s);
}

array copy(const array& a, StreamOrDevice s) {
  return convert(a, a.dtype(), s);
}

array full(const Shape& shape, const array& vals, std::optional<Dtype> dtype,
           StreamOrDevice s) {
  checked_size("full", shape, dtype.value_or(vals.dtype()));
  return convert(broadcast_to(vals, shape), dtype.value_or(vals.dtype()), s);
}

array zeros(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  return full(shape, array(uint8_t{0}), dtype, s);
}

array ones(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  return full(shape, array(uint8_t{1}), dtype, s);
}

array arange(double start, double stop, double step, Dtype dtype,
             StreamOrDevice s) {
  if (dtype == bool_) {
    throw TypeError("[arange] bool_ has no ranges; use another dtype.");
  }
  double count = std::ceil((stop - start) / step);
  if (std::isnan(count) || std::isinf(step) || step == 0) {
    throw std::invalid_argument(
        "[arange] start, stop and step must be numbers, and step not zero.");
  }
  if (count > 0x1p62) {
    throw OutOfMemory("[arange] The range holds more than 2^62 elements.");
  }
  auto size = static_cast<int64_t>(std::max(count, 0.0));
  Stream stream = to_stream(s);
  array wide = uninitialised("arange", {size}, float64, stream);
  auto* values = static_cast<double*>(wide.storage()->data());
  backend(stream).run_on_host(
      stream, {[=] {
                 for (int64_t i = 0; i < size; ++i) {
                   values[i] = start + static_cast<double>(i) * step;
                 }
               },
               {},
               wide.storage(),
               size});
  return astype(wide, dtype, stream);
}

}  // namespace upsweep
