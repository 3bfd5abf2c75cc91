// The front door of the scans: validate, normalise, plan, enqueue.
#include "upsweep/scan.h"

#include <optional>

#include "axis.h"
#include "backend.h"
#include "result.h"
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

array scan_along(Op op, const array& a, int axis, bool reverse, bool inclusive,
                 Stream stream) {
  Dtype dtype = result_dtype(op, a.dtype());
  if (dtype != a.dtype()) {
    return scan_along(op, astype(a, dtype, stream), axis, reverse, inclusive,
                      stream);
  }
  return produce(scan_name(op), stream, [&] {
    array out = make_result(scan_name(op), a.shape(), dtype, stream);
    // Extents beside one of 0 may be beyond counting.
    bool is_empty = a.size() == 0;
    Plan plan = is_empty
                    ? make_plan({0}, {1}, 0, reverse, dtype)
                    : make_plan(a.shape(), a.strides(), axis, reverse, dtype);
    backend(stream).scan(stream, {op, dtype, std::move(plan), inclusive,
                                  a.offset(), a.storage(), out.storage()});
    return out;
  });
}

array scan(Op op, const array& a, std::optional<int> axis, bool reverse,
           bool inclusive, StreamOrDevice s) {
  const char* name = scan_name(op);
  int along = axis ? normalize_axis(name, *axis, a.ndim()) : 0;
  Stream stream = stream_for(name, s);
  return in_the_name_of(name, [&] {
    if (axis || a.ndim() == 1) {
      return scan_along(op, a, along, reverse, inclusive, stream);
    }
    return scan_along(op, flatten(a, 0, -1, stream), 0, reverse, inclusive,
                      stream);
  });
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
