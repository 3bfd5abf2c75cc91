// The entry points of the scans: validate, normalise, plan, enqueue.
#include "upsweep/scan.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "array_access.h"
#include "axis.h"
#include "carry_access.h"
#include "core/backend.h"
#include "core/shape.h"
#include "options.h"
#include "result.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

Shape without_axis(Shape shape, int axis) {
  shape.erase(shape.begin() + axis);
  return shape;
}

// Calls fn with the array and the axis to scan: the flattened one if there is
// no axis.
template <class Fn>
auto along(const char* name, const array& a, std::optional<int> axis,
           Stream stream, const Fn& fn) {
  int i = axis ? normalize_axis(name, *axis, a.ndim()) : 0;
  if (axis || a.ndim() == 1) return fn(a, i);
  return fn(flatten(a, 0, -1, stream), 0);
}

// If one extent is 0, the product of the others may overflow.
Plan plan_of(const array& a, int axis, bool reverse, bool include_initial) {
  if (a.size() == 0) return make_plan({0}, {1}, 0, reverse);
  return make_plan(a.shape(), a.strides(), axis, reverse, include_initial);
}

// The dtype in which a scan computes, and which its result has.
Dtype computing_dtype(const char* name, Op op, const array& a,
                      std::optional<Dtype> dtype) {
  if (!dtype) return result_dtype(op, a.dtype());
  if (result_dtype(op, *dtype) != *dtype) {
    throw TypeError(std::string("[") + name + "] dtype is " + dtype->name() +
                    ", but " + scan_name(op) + " returns " +
                    result_dtype(op, *dtype).name() + " for it.");
  }
  return *dtype;
}

// Gives the stream the scan of an array that has the dtype of the result.
array run(const char* name, Op op, const array& a, const Shape& shape, int axis,
          bool reverse, bool inclusive, Stream stream, ResultMemory into,
          const Initial& initial = {}, const StoragePtr& reset = nullptr,
          bool include_initial = false) {
  return produce(name, stream, [&] {
    array out = make_final_result(name, shape, a.dtype(), stream, into);
    backend(stream).scan(
        stream, {op, a.dtype(), plan_of(a, axis, reverse, include_initial),
                 inclusive, a.offset(), storage_of(a), storage_of(out), initial,
                 reset, include_initial});
    return out;
  });
}

array scan_along(const char* name, Op op, const array& a, int axis,
                 const ScanOptions& options, Stream stream) {
  Dtype dtype = computing_dtype(name, op, a, options.dtype);
  if (options.skipna) {
    // First, because integers and bool_ have no NaN.
    ScanOptions others = options;
    others.skipna = false;
    return scan_along(name, op, replace_nan(name, a, op, dtype, stream), axis,
                      others, stream);
  }
  if (dtype != a.dtype()) {
    return scan_along(name, op, astype(a, dtype, stream), axis, options,
                      stream);
  }
  bool is_plain = options.initial.index() == 0 && !options.reset &&
                  !options.include_initial;
  if (is_plain) {
    return run(name, op, a, a.shape(), axis, options.reverse, options.inclusive,
               stream, options.into);
  }
  Initial initial =
      make_initial(name, options.initial, op, dtype, options.reverse,
                   without_axis(a.shape(), axis), stream);
  StoragePtr reset =
      make_reset(name, options.reset, a.shape(), axis, options, stream);
  Shape shape = a.shape();
  int64_t& extent = shape[static_cast<size_t>(axis)];
  if (options.include_initial && extent++ == 0) {
    // Only what the scan starts with: an exclusive scan of any one element.
    return run(name, op, zeros(shape, dtype, stream), shape, axis,
               options.reverse, false, stream, options.into, initial);
  }
  return run(name, op, a, shape, axis, options.reverse, options.inclusive,
             stream, options.into, initial, reset, options.include_initial);
}

array scan(const char* name, Op op, const array& a, std::optional<int> axis,
           const ScanOptions& options) {
  Stream stream = stream_for(name, options.stream);
  if (options.include_initial && !options.inclusive) {
    throw std::invalid_argument(
        std::string("[") + name +
        "] include_initial adds to inclusive results; leave inclusive true, or "
        "include_initial false.");
  }
  return with_op_name(name, [&] {
    if (!axis && a.ndim() != 1 && options.reset) {
      ScanOptions flat = options;
      flat.reset = flatten_reset(name, *options.reset, a.shape(), stream);
      return scan_along(name, op, flatten(a, 0, -1, stream), 0, flat, stream);
    }
    return along(name, a, axis, stream, [&](const array& line, int i) {
      return scan_along(name, op, line, i, options, stream);
    });
  });
}

}  // namespace

// The two overloads of each scan.
#define UPSWEEP_SCAN(op, name, result)                                         \
  array name(const array& a, bool reverse, bool inclusive, StreamOrDevice s) { \
    return scan(#name, Op::op, a, std::nullopt,                                \
                {.reverse = reverse, .inclusive = inclusive, .stream = s});    \
  }                                                                            \
  array name(const array& a, int axis, bool reverse, bool inclusive,           \
             StreamOrDevice s) {                                               \
    return scan(#name, Op::op, a, axis,                                        \
                {.reverse = reverse, .inclusive = inclusive, .stream = s});    \
  }

UPSWEEP_OPERATORS(UPSWEEP_SCAN)

#undef UPSWEEP_SCAN

array scan(const array& a, Op op, std::optional<int> axis,
           const ScanOptions& options) {
  return scan("scan", op, a, axis, options);
}

Carry carry(const array& a, Op op, std::optional<int> axis,
            const CarryOptions& options) {
  constexpr char kName[] = "carry";
  Stream stream = stream_for(kName, options.stream);
  auto run = [&](const array& line, int i) {
    Dtype dtype = result_dtype(op, line.dtype());
    array in = astype(line, dtype, stream);
    Shape lines = without_axis(in.shape(), i);
    Initial initial = make_initial(kName, options.initial, op, dtype,
                                   options.reverse, lines, stream);
    int64_t count = checked_size(kName, lines, float64);
    StoragePtr out = backend(stream).allocate(
        stream.device, static_cast<size_t>(count) * sizeof(CarryRecord));
    // Without elements there may be lines, and the other way round.
    Plan plan = count == 0
                    ? make_plan({0, 0}, {1, 1}, 1, options.reverse)
                    : make_plan(in.shape(), in.strides(), i, options.reverse);
    backend(stream).carry(stream, {op, dtype, std::move(plan), in.offset(),
                                   storage_of(in), out, initial});
    return CarryAccess::make(op, dtype, options.reverse, std::move(lines),
                             std::move(out));
  };
  return with_op_name(kName,
                      [&] { return along(kName, a, axis, stream, run); });
}

std::pair<array, array> cumprod_frexp(const array& a, std::optional<int> axis,
                                      const FrexpOptions& options) {
  constexpr char kName[] = "cumprod_frexp";
  Stream stream = stream_for(kName, options.stream);
  auto run = [&](const array& line, int i) {
    Dtype dtype = result_dtype(Op::logaddexp, line.dtype());
    if (dtype == complex64) {
      throw TypeError(
          "[cumprod_frexp] a is complex64, which has no frexp; use "
          "real numbers.");
    }
    array in = astype(line, dtype, stream);
    const Shape& shape = in.shape();
    Initial initial =
        make_initial(kName, options.initial, Op::prod, dtype, options.reverse,
                     without_axis(shape, i), stream, CarryPart::total);
    FrexpResult result = backend(stream).frexp(
        stream,
        {dtype, plan_of(in, i, options.reverse, false), options.inclusive,
         in.offset(), storage_of(in), std::move(initial)});
    array exponents = make_array(result.exponents, shape, int32);
    return std::pair{make_array(result.mantissas, shape, dtype),
                     exponents.as_strided(shape, contiguous_strides(shape),
                                          result.exponent_offset)};
  };
  return with_op_name(kName,
                      [&] { return along(kName, a, axis, stream, run); });
}

namespace {

array cumulative(const char* name, Op op, const array& x,
                 std::optional<int> axis, std::optional<Dtype> dtype,
                 bool include_initial, StreamOrDevice s) {
  if (x.ndim() == 0 || (!axis && x.ndim() != 1)) {
    throw std::invalid_argument(std::string("[") + name +
                                "] axis must be given unless x has one axis; "
                                "x has shape " +
                                to_string(x.shape()) + ".");
  }
  if (!dtype && (x.dtype() == bool_ || x.dtype().is_integer())) {
    bool is_unsigned = x.dtype().kind() == Dtype::Kind::uint;
    dtype = is_unsigned ? uint64 : int64;
  }
  return scan(
      name, op, x, axis.value_or(0),
      {.dtype = dtype, .include_initial = include_initial, .stream = s});
}

}  // namespace

array cumulative_prod(const array& x, std::optional<int> axis,
                      std::optional<Dtype> dtype, bool include_initial,
                      StreamOrDevice s) {
  return cumulative("cumulative_prod", Op::prod, x, axis, dtype,
                    include_initial, s);
}

array cumulative_sum(const array& x, std::optional<int> axis,
                     std::optional<Dtype> dtype, bool include_initial,
                     StreamOrDevice s) {
  return cumulative("cumulative_sum", Op::sum, x, axis, dtype, include_initial,
                    s);
}

}  // namespace upsweep
