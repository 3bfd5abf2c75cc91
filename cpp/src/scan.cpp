// The front door of the scans: validate, normalise, plan, enqueue.
#include "upsweep/scan.h"

#include <optional>

#include "axis.h"
#include "backend.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

// What the op computes in: the dtype of its result.
Dtype result_dtype(Op op, Dtype dtype) {
  if (op == Op::sum && dtype == bool_) return int32;
  if (op == Op::logaddexp && (dtype == bool_ || dtype.is_integer())) {
    return float32;
  }
  return dtype;
}

array scan(Op op, const array& a, std::optional<int> axis, bool reverse,
           bool inclusive, StreamOrDevice s) {
  int along = axis ? normalize_axis(scan_name(op), *axis, a.ndim()) : 0;
  Stream stream = to_stream(s);
  if (!axis && a.ndim() != 1) {
    return scan(op, flatten(a, 0, -1, stream), 0, reverse, inclusive, stream);
  }
  Dtype dtype = result_dtype(op, a.dtype());
  if (dtype != a.dtype()) {
    return scan(op, astype(a, dtype, stream), along, reverse, inclusive,
                stream);
  }
  Backend& device = backend(stream);
  array out(device.allocate(stream.device, a.nbytes()), a.shape(), dtype);
  device.scan(stream, {op, dtype,
                       make_plan(a.shape(), a.strides(), along, reverse, dtype),
                       inclusive, a.offset(), a.storage(), out.storage()});
  return out;
}

}  // namespace

// The two overloads of each scan.
#define UPSWEEP_SCAN(name, op)                                                 \
  array name(const array& a, bool reverse, bool inclusive, StreamOrDevice s) { \
    return scan(op, a, std::nullopt, reverse, inclusive, s);                   \
  }                                                                            \
  array name(const array& a, int axis, bool reverse, bool inclusive,           \
             StreamOrDevice s) {                                               \
    return scan(op, a, axis, reverse, inclusive, s);                           \
  }

UPSWEEP_SCAN(cumprod, Op::prod)
UPSWEEP_SCAN(cumsum, Op::sum)
UPSWEEP_SCAN(cummax, Op::max)
UPSWEEP_SCAN(cummin, Op::min)
UPSWEEP_SCAN(logcumsumexp, Op::logaddexp)

#undef UPSWEEP_SCAN

}  // namespace upsweep
