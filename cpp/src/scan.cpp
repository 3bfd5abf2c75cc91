// The entry points of the scans: validate, normalise, plan, enqueue.
#include "upsweep/scan.h"

#include <optional>

#include "array_access.h"
#include "axis.h"
#include "core/backend.h"
#include "result.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

array scan_along(Op op, const array& a, int axis, bool reverse, bool inclusive,
                 Stream stream) {
  Dtype dtype = result_dtype(op, a.dtype());
  if (dtype != a.dtype()) {
    return scan_along(op, astype(a, dtype, stream), axis, reverse, inclusive,
                      stream);
  }
  return produce(scan_name(op), stream, [&] {
    array out = make_result(scan_name(op), a.shape(), dtype, stream);
    // If one extent is 0, the product of the others may overflow.
    bool is_empty = a.size() == 0;
    Plan plan = is_empty ? make_plan({0}, {1}, 0, reverse)
                         : make_plan(a.shape(), a.strides(), axis, reverse);
    backend(stream).scan(stream, {op, dtype, std::move(plan), inclusive,
                                  a.offset(), storage_of(a), storage_of(out)});
    return out;
  });
}

array scan(Op op, const array& a, std::optional<int> axis, bool reverse,
           bool inclusive, StreamOrDevice s) {
  const char* name = scan_name(op);
  int along = axis ? normalize_axis(name, *axis, a.ndim()) : 0;
  Stream stream = stream_for(name, s);
  return with_op_name(name, [&] {
    if (axis || a.ndim() == 1) {
      return scan_along(op, a, along, reverse, inclusive, stream);
    }
    return scan_along(op, flatten(a, 0, -1, stream), 0, reverse, inclusive,
                      stream);
  });
}

}  // namespace

// The two overloads of each scan.
#define UPSWEEP_SCAN(op, name, result)                                         \
  array name(const array& a, bool reverse, bool inclusive, StreamOrDevice s) { \
    return scan(Op::op, a, std::nullopt, reverse, inclusive, s);               \
  }                                                                            \
  array name(const array& a, int axis, bool reverse, bool inclusive,           \
             StreamOrDevice s) {                                               \
    return scan(Op::op, a, axis, reverse, inclusive, s);                       \
  }

UPSWEEP_OPERATORS(UPSWEEP_SCAN)

#undef UPSWEEP_SCAN

}  // namespace upsweep
