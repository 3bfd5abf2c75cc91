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
and 2^-52 for the others; on a GPU it is 2^-44. Results have the same bits on
every run. If elements are infinite or NaN, results are those of a loop in IEEE
arithmetic.

Args:
    a: The factors, an array, array-like or number.
    b: The terms. a and b broadcast. Both must have the same dtype, one of
        float16, bfloat16, float32, float64 and complex64, or be integers or
        bool_, which gives float32. A Python number, or a list of them, takes
        the dtype of the other one.
    axis: The axis, counted from the end when negative.
    reverse: Run from the last element to the first.
    inclusive: Whether element i of the result is h[i]. If not, it is h[i - 1].
    initial: What h starts with: a number, or an array of the shape of the
        result without the axis, which is converted to the dtype; None is 0.
    reset: Where h[i - 1] counts as 0, whatever a[i] is: a bool_ array of the
        shape of the result; or, for one axis, integer offsets of segments, as
        those of :func:`scan`.
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

Dtype computed(Dtype dtype) {
  return dtype == bool_ || dtype.is_integer() ? float32 : dtype;
}

// A coefficient or an initial value. Numbers and sequences of them take the
// dtype.
array to_operand(nb::handle h, std::optional<Dtype> dtype, const char* name) {
  return name_argument(kName, name, [&] {
    if (h.is_none() || nb::isinstance<Carry>(h)) {
      throw TypeError(std::string("[") + kName +
                      "] it must be a number, array " + "or array-like, not " +
                      type_of(h) + ".");
    }
    return dtype ? to_array_like(h, *dtype, kName) : to_array(h, kName);
  });
}

// a and b.
std::pair<array, array> to_coefficients(nb::handle a, nb::handle b,
                                        StreamOrDevice s) {
  // Whether it takes the dtype of the other one.
  bool follows_a = is_number_or_sequence(a),
       follows_b = is_number_or_sequence(b);
  auto converted = [&](nb::handle h, const char* name) {
    array in = to_operand(h, std::nullopt, name);
    return astype(in, computed(in.dtype()), s);
  };
  if (follows_a && follows_b) {
    array left = converted(a, "a"), right = converted(b, "b");
    Dtype wider{std::max(left.dtype().val, right.dtype().val)};
    return {astype(left, wider, s), astype(right, wider, s)};
  }
  if (follows_a) {
    array right = converted(b, "b");
    return {to_operand(a, right.dtype(), "a"), right};
  }
  if (follows_b) {
    array left = converted(a, "a");
    return {left, to_operand(b, left.dtype(), "b")};
  }
  return {to_operand(a, std::nullopt, "a"), to_operand(b, std::nullopt, "b")};
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
          options.initial =
              to_operand(initial, computed(left.dtype()), "initial");
        }
        if (!reset.is_none()) {
          options.reset = name_argument(kName, "reset",
                                        [&] { return to_array(reset, kName); });
        }
        array out = give_work(left.size() >= right.size() ? left : right, [&] {
          return linear_recurrence(left, right, along, options, s);
        });
        for (nb::handle h : {a, b, initial, reset}) {
          if (may_change(h)) wait(out);
        }
        return out;
      },
      nb::arg().none(), nb::arg().none(), nb::arg("axis").none() = -1,
      nb::kw_only(), nb::arg("reverse").none() = false,
      nb::arg("inclusive").none() = true, nb::arg("initial") = nb::none(),
      nb::arg("reset") = nb::none(), nb::arg("stream") = nb::none(),
      nb::sig(
          "def linear_recurrence(a: object, b: object, /, axis: int = -1, *, "
          "reverse: bool = False, inclusive: bool = True, initial: object "
          "= None, reset: object = None, stream: None | Stream | Device | "
          "DeviceType = "
          "None) -> array"),
      k_doc);
}

}  // namespace upsweep::python
