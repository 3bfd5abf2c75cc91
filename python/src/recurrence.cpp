// The linear recurrence.
#include <algorithm>

#include "bindings.h"

namespace upsweep::python {

namespace {

constexpr const char* kName = "linear_recurrence";

constexpr const char* k_doc = R"(
The linear recurrence h[i] = a[i] * h[i - 1] + b[i] along an axis.

h is followed in wider arithmetic, whose exponent cannot overflow, and only
rounded for the result: a result is infinite only if h itself rounds to
infinity, and later results do not depend on that. With S[i] the same recurrence
of the magnitudes of a, b and initial, the error is at most half an ulp of h[i]
plus (i + 2) * u * S[i]. On the CPU, u is 2^-53 for float64, 2^-50 for complex64
and 2^-52 for the others. Results have the same bits on every run. If elements
are infinite or NaN, results are those of a loop in IEEE arithmetic.

Args:
    a: The factors, an array, array-like or number.
    b: The terms. a and b broadcast. Both must have the same dtype, one of
        float16, bfloat16, float32, float64 and complex64, or be integers or
        bool_, which gives float32. A Python number takes the dtype of the
        other one.
    axis: The axis, counted from the end when negative.
    reverse: Run from the last element to the first.
    inclusive: Whether element i of the result is h[i]. If not, it is h[i - 1].
    initial: What h starts with: a number, or an array of the shape of the
        result without the axis, which is converted to the dtype; None is 0.
    reset: None, or a bool_ array of the shape of the result. Where it is True,
        h[i - 1] counts as 0, whatever a[i] is.
    stream: Where to run: a stream, a device for its default stream, or None
        for the default stream of the default device.

Returns:
    A new array of the broadcast shape and the dtype of a and b.

Raises:
    IndexError: The result has no such axis.
    TypeError: An argument is of the wrong type or dtype.
    ValueError: Shapes do not match, or neither a nor b has an axis.
    MemoryError: The result does not fit into memory.

Source:
    G. E. Blelloch, "Prefix sums and their applications", technical report
    CMU-CS-90-190, Carnegie Mellon University, 1990.)";

bool is_number(nb::handle h) {
  return PyFloat_Check(h.ptr()) || PyLong_Check(h.ptr()) ||
         PyComplex_Check(h.ptr());
}

// A Python number in the dtype of the computation.
array number(nb::handle h, Dtype dtype, const char* argument) {
  if (PyComplex_Check(h.ptr()) && dtype != complex64) {
    throw TypeError(std::string("[") + kName + "] " + argument +
                    " is a complex number, but the dtype is " + dtype.name() +
                    ".");
  }
  return to_array(h, dtype, std::nullopt, kName);
}

Dtype computed(Dtype dtype) {
  return dtype == bool_ || dtype.is_integer() ? float32 : dtype;
}

// a and b; a Python number in the dtype of the other one.
std::pair<array, array> to_coefficients(nb::handle a, nb::handle b,
                                        StreamOrDevice s) {
  auto converted = [&](nb::handle h) {
    array in = to_array(h, kName);
    return astype(in, computed(in.dtype()), s);
  };
  if (is_number(a) && !is_number(b)) {
    array right = converted(b);
    return {number(a, right.dtype(), "a"), right};
  }
  array left = is_number(b) ? converted(a) : to_array(a, kName);
  if (!is_number(b)) return {left, to_array(b, kName)};
  return {left, number(b, left.dtype(), "b")};
}

array to_initial(nb::handle h, Dtype dtype) {
  return is_number(h) ? number(h, dtype, "initial") : to_array(h, kName);
}

}  // namespace

void init_recurrence(nb::module_& m) {
  m.def(
      kName,
      [](nb::handle a, nb::handle b, nb::handle axis, nb::handle reverse,
         nb::handle inclusive, nb::handle initial, nb::handle reset,
         nb::handle stream) {
        RecurrenceOptions options;
        options.reverse = to_bool(reverse, kName, "reverse");
        options.inclusive = to_bool(inclusive, kName, "inclusive");
        StreamOrDevice s = to_stream_or_device(stream, kName);
        // Not a structured binding, which older compilers cannot capture.
        auto coefficients = to_coefficients(a, b, s);
        const array &left = coefficients.first, &right = coefficients.second;
        const array& more = left.ndim() >= right.ndim() ? left : right;
        int along = to_axis(axis, more, kName, "axis");
        if (!initial.is_none()) {
          options.initial = to_initial(initial, computed(left.dtype()));
        }
        if (!reset.is_none()) options.reset = to_array(reset, kName);
        array out = give_work(left.size() >= right.size() ? left : right, [&] {
          return linear_recurrence(left, right, along, options, s);
        });
        // The owners of array-likes may change them afterwards.
        bool shares = false;
        for (nb::handle h : {a, b, initial, reset}) {
          shares = shares || !(is_array(h) || is_number(h) || h.is_none());
        }
        if (shares) wait(out);
        return out;
      },
      nb::arg().none(), nb::arg().none(), nb::arg("axis") = -1, nb::kw_only(),
      nb::arg("reverse").none() = false, nb::arg("inclusive").none() = true,
      nb::arg("initial") = nb::none(), nb::arg("reset") = nb::none(),
      nb::arg("stream") = nb::none(),
      nb::sig("def linear_recurrence(a: array, b: array, /, axis: int = -1, *, "
              "reverse: bool = False, inclusive: bool = True, initial: object "
              "= None, reset: object = None, stream: None | Stream | Device = "
              "None) -> array"),
      k_doc);
}

}  // namespace upsweep::python
