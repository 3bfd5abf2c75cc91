// The entry points of the derivatives of products: validate, plan, enqueue.
#include "upsweep/gradient.h"

#include <optional>
#include <string>
#include <utility>

#include "array_access.h"
#include "axis.h"
#include "core/backend.h"
#include "core/shape.h"
#include "options.h"
#include "result.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

constexpr const char* name_of(Derivative kind) {
  return kind == Derivative::vjp ? "cumprod_vjp" : "cumprod_jvp";
}

// The name of the second argument.
constexpr const char* other_of(Derivative kind) {
  return kind == Derivative::vjp ? "cotangent" : "tangent";
}

void check_dtypes(Derivative kind, Dtype a, Dtype other) {
  std::string op = std::string("[") + name_of(kind) + "] ";
  if (a == bool_ || a.is_integer()) {
    throw TypeError(op + "a is " + a.name() +
                    ", whose products have no derivative; convert it to a "
                    "floating-point dtype with astype.");
  }
  if (a != other) {
    throw TypeError(op + other_of(kind) + " is " + other.name() +
                    ", but a is " + a.name() +
                    "; convert it with astype, as both must have one dtype.");
  }
}

array broadcast_other(Derivative kind, const array& other, const Shape& shape) {
  try {
    return broadcast_to(other, shape);
  } catch (const std::invalid_argument&) {
    throw std::invalid_argument(
        std::string("[") + name_of(kind) + "] " + other_of(kind) +
        " has shape " + to_string(other.shape()) + "; give it the shape " +
        to_string(shape) + ", or one that broadcasts to it.");
  }
}

array differentiate(Derivative kind, const array& a, const array& other,
                    int axis, bool reverse, bool inclusive,
                    const std::optional<array>& reset, Stream stream,
                    ResultMemory into = {}) {
  const Shape& shape = a.shape();
  int along = normalize_axis(name_of(kind), axis, a.ndim());
  array terms = broadcast_other(kind, other, shape);
  ScanOptions direction;
  direction.reverse = reverse;
  StoragePtr flags =
      make_reset(name_of(kind), reset, shape, along, direction, stream);
  array out = make_final_result(name_of(kind), shape, a.dtype(), stream, into);
  // The sums of a gradient run against the product.
  bool backwards = reverse != (kind == Derivative::vjp);
  GradientWork work{
      {a.dtype(),
       make_recurrence_plan(shape, a.strides(), terms.strides(),
                            Strides(shape.size(), 0), along, backwards),
       inclusive,
       {storage_of(a), a.offset()},
       {storage_of(terms), terms.offset()},
       {},
       {std::move(flags), 0},
       storage_of(out)},
      kind};
  backend(stream).gradient(stream, std::move(work));
  return out;
}

array along_axis(Derivative kind, const array& a, const array& other, int axis,
                 bool reverse, bool inclusive, StreamOrDevice s,
                 ResultMemory into, const std::optional<array>& reset) {
  check_dtypes(kind, a.dtype(), other.dtype());
  Stream stream = stream_for(name_of(kind), s);
  return produce(name_of(kind), stream, [&] {
    return differentiate(kind, a, other, axis, reverse, inclusive, reset,
                         stream, into);
  });
}

// Of the elements as one line.
array flattened(Derivative kind, const array& a, const array& other,
                bool reverse, bool inclusive, StreamOrDevice s,
                const std::optional<array>& reset) {
  check_dtypes(kind, a.dtype(), other.dtype());
  Stream stream = stream_for(name_of(kind), s);
  return produce(name_of(kind), stream, [&] {
    Shape line{a.size()};
    // A tangent lies as a does; a cotangent, as the results.
    array terms = other;
    if (kind == Derivative::jvp) {
      terms = reshape(broadcast_other(kind, other, a.shape()), line, stream);
    }
    std::optional<array> flat;
    if (reset) flat = flatten_reset(name_of(kind), *reset, a.shape(), stream);
    array out = differentiate(kind, reshape(a, line, stream), terms, 0, reverse,
                              inclusive, flat, stream);
    return kind == Derivative::vjp ? reshape(out, a.shape()) : out;
  });
}

}  // namespace

array cumprod_vjp(const array& a, const array& cotangent, bool reverse,
                  bool inclusive, StreamOrDevice s,
                  const std::optional<array>& reset) {
  return flattened(Derivative::vjp, a, cotangent, reverse, inclusive, s, reset);
}

array cumprod_vjp(const array& a, const array& cotangent, int axis,
                  bool reverse, bool inclusive, StreamOrDevice s,
                  ResultMemory into, const std::optional<array>& reset) {
  return along_axis(Derivative::vjp, a, cotangent, axis, reverse, inclusive, s,
                    into, reset);
}

array cumprod_jvp(const array& a, const array& tangent, bool reverse,
                  bool inclusive, StreamOrDevice s,
                  const std::optional<array>& reset) {
  return flattened(Derivative::jvp, a, tangent, reverse, inclusive, s, reset);
}

array cumprod_jvp(const array& a, const array& tangent, int axis, bool reverse,
                  bool inclusive, StreamOrDevice s, ResultMemory into,
                  const std::optional<array>& reset) {
  return along_axis(Derivative::jvp, a, tangent, axis, reverse, inclusive, s,
                    into, reset);
}

}  // namespace upsweep
