// The entry point of the linear recurrence: validate, normalise, plan, enqueue.
#include "upsweep/recurrence.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "array_access.h"
#include "axis.h"
#include "core/backend.h"
#include "core/shape.h"
#include "options.h"
#include "result.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

constexpr const char* kName = "linear_recurrence";

bool is_countable(Dtype dtype) { return dtype == bool_ || dtype.is_integer(); }

bool is_computed(Dtype dtype) { return !is_countable(dtype); }

[[noreturn]] void fail_dtype(const char* argument, Dtype dtype,
                             const std::string& why) {
  throw TypeError(std::string("[") + kName + "] " + argument + " is " +
                  dtype.name() + why);
}

Dtype common_dtype(Dtype a, Dtype b) {
  if (is_countable(a) && is_countable(b)) return float32;
  if (a == b) return a;
  const char* other = is_computed(a) ? a.name() : b.name();
  bool a_is_wrong = !is_computed(a);
  fail_dtype(a_is_wrong ? "a" : "b", a_is_wrong ? a : b,
             std::string(", but ") + (a_is_wrong ? "b" : "a") + " is " + other +
                 "; convert it with astype, as both must have one dtype.");
}

Shape common_shape(const array& a, const array& b) {
  const array& more = a.ndim() >= b.ndim() ? a : b;
  const array& less = a.ndim() >= b.ndim() ? b : a;
  Shape shape = more.shape();
  size_t added = shape.size() - less.shape().size();
  for (size_t i = 0; i < less.shape().size(); ++i) {
    int64_t& extent = shape[added + i];
    int64_t other = less.shape()[i];
    if (extent == 1) extent = other;
    if (other != 1 && other != extent) {
      throw std::invalid_argument(
          std::string("[") + kName + "] a of shape " + to_string(a.shape()) +
          " and b of shape " + to_string(b.shape()) + " cannot be broadcast.");
    }
  }
  if (shape.empty()) {
    throw std::invalid_argument(
        std::string("[") + kName +
        "] a and b have no axis; give one of them at least 1 dimension.");
  }
  return shape;
}

// The strides of initial for the shape of the result.
Strides initial_strides(const array& initial, const Shape& shape, int axis) {
  Shape lines = shape;
  lines.erase(lines.begin() + axis);
  if (initial.ndim() == 0) return Strides(shape.size(), 0);
  if (initial.shape() != lines) {
    throw std::invalid_argument(std::string("[") + kName +
                                "] initial has shape " +
                                to_string(initial.shape()) +
                                "; give it no axes or the shape of the result "
                                "without the axis, " +
                                to_string(lines) + ".");
  }
  Strides strides = initial.strides();
  strides.insert(strides.begin() + axis, 0);
  return strides;
}

array checked_initial(const array& initial, Dtype dtype, Stream stream) {
  if (initial.dtype() == complex64 && dtype != complex64) {
    fail_dtype("initial", complex64,
               std::string(", but a and b are ") + dtype.name() + ".");
  }
  return astype(initial, dtype, stream);
}

array checked_mask(const array& reset, const Shape& shape, Stream stream) {
  if (reset.shape() != shape) {
    throw std::invalid_argument(
        std::string("[") + kName + "] reset has shape " +
        to_string(reset.shape()) + "; give it the shape of the result, " +
        to_string(shape) + ".");
  }
  return contiguous(reset, stream);
}

RecurrenceWork::Input input(const std::optional<array>& a) {
  if (!a) return {};
  return {storage_of(*a), a->offset()};
}

}  // namespace

array linear_recurrence(const array& a, const array& b, int axis,
                        const RecurrenceOptions& options, StreamOrDevice s) {
  Dtype dtype = common_dtype(a.dtype(), b.dtype());
  Shape shape = common_shape(a, b);
  int along = normalize_axis(kName, axis, static_cast<int>(shape.size()));
  Stream stream = stream_for(kName, s);
  return produce(kName, stream, [&] {
    array scale = broadcast_to(astype(a, dtype, stream), shape);
    array added = broadcast_to(astype(b, dtype, stream), shape);
    std::optional<array> initial;
    RecurrenceWork::Input reset;
    Strides initial_steps(shape.size(), 0);
    if (options.initial) {
      initial = checked_initial(*options.initial, dtype, stream);
      initial_steps = initial_strides(*initial, shape, along);
    }
    if (options.reset && options.reset->dtype() == bool_) {
      reset = input(checked_mask(*options.reset, shape, stream));
    } else {
      // Offsets, or an error.
      ScanOptions same;
      same.reverse = options.reverse;
      reset = {make_reset(kName, options.reset, shape, along, same, stream), 0};
    }
    array out = make_final_result(kName, shape, dtype, stream, options.into);
    backend(stream).recurrence(
        stream, {dtype,
                 make_recurrence_plan(shape, scale.strides(), added.strides(),
                                      initial_steps, along, options.reverse),
                 options.inclusive, input(scale), input(added), input(initial),
                 reset, storage_of(out)});
    return out;
  });
}

array linear_recurrence_vjp(const array& a, const array& b,
                            const array& cotangent, int axis, bool reverse,
                            bool inclusive, StreamOrDevice s) {
  constexpr const char* kVjpName = "linear_recurrence_vjp";
  Dtype dtype = a.dtype();
  if (dtype == complex64 || !is_computed(dtype)) {
    throw TypeError(std::string("[") + kVjpName + "] a is " + dtype.name() +
                    "; convert it to float16, bfloat16, float32 or float64.");
  }
  auto check = [&](const array& other, const char* name) {
    if (other.dtype() != dtype) {
      throw TypeError(std::string("[") + kVjpName + "] " + name + " is " +
                      other.dtype().name() + ", but a is " + dtype.name() +
                      "; convert it with astype.");
    }
    if (other.shape() != a.shape()) {
      throw std::invalid_argument(std::string("[") + kVjpName + "] " + name +
                                  " has shape " + to_string(other.shape()) +
                                  "; give it that of a, " +
                                  to_string(a.shape()) + ".");
    }
  };
  check(b, "b");
  check(cotangent, "cotangent");
  const Shape& shape = a.shape();
  int along = normalize_axis(kVjpName, axis, a.ndim());
  Stream stream = stream_for(kVjpName, s);
  return produce(kVjpName, stream, [&] {
    array terms = contiguous(cotangent, stream);
    Shape both = shape;
    both.insert(both.begin(), 2);
    array out = make_result(kVjpName, both, dtype, stream);
    AdjointWork work{
        {dtype,
         make_recurrence_plan(shape, a.strides(), b.strides(),
                              Strides(shape.size(), 0), along, reverse),
         inclusive,
         input(a),
         input(b),
         {},
         {},
         storage_of(out)},
        input(terms)};
    std::vector<StoragePtr> inputs = work.inputs();
    int64_t elements = work.plan.elements();
    auto run = [work = std::move(work)] { run_adjoint(work); };
    backend(stream).run_on_host(
        stream, {std::move(run), std::move(inputs), storage_of(out), elements});
    return out;
  });
}

}  // namespace upsweep
