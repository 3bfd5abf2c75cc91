// scan, carry and the other functions with more options than the five scans.
#include "bindings.h"

namespace upsweep::python {

namespace {

std::optional<int> to_optional_axis(nb::handle axis, const array& a,
                                    const char* op) {
  if (axis.is_none()) return std::nullopt;
  return to_axis(axis, a, op, "axis");
}

std::optional<array> to_reset(nb::handle reset, const char* op) {
  if (reset.is_none()) return std::nullopt;
  return name_argument(op, "reset", [&] { return to_array(reset, op); });
}

void bind_general_scan(nb::module_& m) {
  m.def(
      "scan",
      [](nb::handle a, nb::handle op, nb::handle axis, nb::handle reverse,
         nb::handle inclusive, nb::handle initial, nb::handle reset,
         nb::handle dtype, nb::handle include_initial, nb::handle skipna,
         nb::handle stream) {
        constexpr char kOp[] = "scan";
        ScanOptions options;
        Op wanted = to_op(op, kOp);
        options.reverse = to_bool(reverse, kOp, "reverse");
        options.inclusive = to_bool(inclusive, kOp, "inclusive");
        options.dtype = to_optional_dtype(dtype, kOp);
        options.include_initial =
            to_bool(include_initial, kOp, "include_initial");
        options.skipna = to_bool(skipna, kOp, "skipna");
        options.stream = to_stream_or_device(stream, kOp);
        options.reset = to_reset(reset, kOp);
        array out = apply(a, kOp, [&](const array& in) {
          Dtype computing =
              result_dtype(wanted, options.dtype.value_or(in.dtype()));
          options.initial = to_initial(initial, computing, kOp);
          auto along = to_optional_axis(axis, in, kOp);
          return give_work(in,
                           [&] { return scan(in, wanted, along, options); });
        });
        if (may_change(initial) || may_change(reset)) wait(out);
        return out;
      },
      nb::arg().none(), nb::arg("op").none(), nb::arg("axis") = nb::none(),
      nb::kw_only(), nb::arg("reverse").none() = false,
      nb::arg("inclusive").none() = true, nb::arg("initial") = nb::none(),
      nb::arg("reset") = nb::none(), nb::arg("dtype") = nb::none(),
      nb::arg("include_initial").none() = false,
      nb::arg("skipna").none() = false, nb::arg("stream") = nb::none(),
      nb::sig("def scan(a: object, /, op: str, axis: int | None = None, *, "
              "reverse: bool = False, inclusive: bool = True, initial: object "
              "= None, reset: object = None, dtype: None | DtypeLike = None, "
              "include_initial: bool = False, skipna: bool = False, stream: "
              "None | Stream | Device | DeviceType = None) -> array"),
      R"(
A scan along an axis, or of the flattened array, with every option. Results are
those of the operator's own function, :func:`cumprod` and so on, and keep its
contract whatever they start with.

Args:
    a: An array or array-like of any shape, strides and dtype.
    op: "prod", "sum", "max", "min" or "logaddexp".
    axis: The axis, counted from the end when negative; None scans the flattened
        array.
    reverse: Scan from the last element to the first.
    inclusive: Whether an element counts in its own result.
    initial: What each line starts with, as if it were an element before the
        first: a number, an array of the shape of a without the axis, or a
        :class:`Carry`. None is the identity.
    reset: Where new segments start, each from the identity: a bool_ mask of the
        shape of a, True at the first element of a segment in scan order; or,
        for one axis, integer offsets of the segments, which do not decrease.
    dtype: The dtype to which a is converted first, and of the result.
    include_initial: One more element along the axis, before the first in scan
        order: what the line starts with.
    skipna: NaN in a counts as the identity, whatever the dtype.
    stream: Where to run: a stream, a device for its default stream, or None
        for the default stream of the default device.

Returns:
    A new array of the shape of a, flattened where axis is None, with one more
    element along the axis if include_initial is True.

Raises:
    IndexError: The array has no such axis.
    TypeError: An argument is of the wrong type, or initial has a dtype that the
        scan cannot compute in.
    ValueError: op is unknown, initial or reset does not fit a, the carry is
        undecided, or include_initial is True and inclusive False.
    MemoryError: The result does not fit into memory.

Source:
    G. E. Blelloch, "Prefix sums and their applications", technical report
    CMU-CS-90-190, Carnegie Mellon University, 1990; segmented scans are in its
    section 1.5.)");
  m.def(
      "carry",
      [](nb::handle a, nb::handle op, nb::handle axis, nb::handle reverse,
         nb::handle initial, nb::handle stream) {
        constexpr char kOp[] = "carry";
        CarryOptions options;
        Op wanted = to_op(op, kOp);
        options.reverse = to_bool(reverse, kOp, "reverse");
        options.stream = to_stream_or_device(stream, kOp);
        array in = to_array(a, kOp);
        options.initial =
            to_initial(initial, result_dtype(wanted, in.dtype()), kOp);
        auto along = to_optional_axis(axis, in, kOp);
        WithoutGil released;
        Carry result = carry(in, wanted, along, options);
        // The owner of an array-like may change it afterwards.
        result.records();
        return result;
      },
      nb::arg().none(), nb::arg("op").none(), nb::arg("axis") = nb::none(),
      nb::kw_only(), nb::arg("reverse").none() = false,
      nb::arg("initial") = nb::none(), nb::arg("stream") = nb::none(),
      nb::sig("def carry(a: object, /, op: str, axis: int | None = None, *, "
              "reverse: bool = False, initial: object = None, stream: None | "
              "Stream | Device | DeviceType = None) -> Carry"),
      R"(
What each line of an array amounts to, for a scan that goes on after it. Reads
the array once and writes one record for each line. Waits for the result.

Args, errors and source are those of :func:`scan`.

Returns:
    A :class:`Carry` of the shape of a without the axis; () where axis is
    None.)");
}

void bind_frexp(nb::module_& m) {
  m.def(
      "cumprod_frexp",
      [](nb::handle a, nb::handle axis, nb::handle reverse,
         nb::handle inclusive, nb::handle initial, nb::handle stream) {
        constexpr char kOp[] = "cumprod_frexp";
        FrexpOptions options;
        options.reverse = to_bool(reverse, kOp, "reverse");
        options.inclusive = to_bool(inclusive, kOp, "inclusive");
        options.stream = to_stream_or_device(stream, kOp);
        array in = to_array(a, kOp);
        options.initial =
            to_initial(initial, result_dtype(Op::logaddexp, in.dtype()), kOp);
        auto along = to_optional_axis(axis, in, kOp);
        auto [mantissa, exponent] = [&] {
          WithoutGil released;
          return cumprod_frexp(in, along, options);
        }();
        if (may_change(a) || may_change(initial)) wait(mantissa);
        return nb::make_tuple(mantissa, exponent);
      },
      nb::arg().none(), nb::arg("axis") = nb::none(), nb::kw_only(),
      nb::arg("reverse").none() = false, nb::arg("inclusive").none() = true,
      nb::arg("initial") = nb::none(), nb::arg("stream") = nb::none(),
      nb::sig("def cumprod_frexp(a: object, /, axis: int | None = None, *, "
              "reverse: bool = False, inclusive: bool = True, initial: object "
              "= None, stream: None | Stream | Device | DeviceType = None) -> "
              "tuple[array, array]"),
      R"(
Cumulative products that cannot leave the range, as mantissas and exponents:
each product is mantissa * 2**exponent, within 1 ulp of the mantissa.

As in frexp, magnitudes of mantissas are from 0.5 to below 1; a zero, infinite
or NaN mantissa has the exponent 0.

Args, errors and source are those of :func:`scan`; complex64 is a TypeError. Of
a :class:`Carry` as initial, the total counts, so it may be undecided.

Returns:
    The mantissas, of the dtype of a (float32 for integers and bool_), and the
    exponents, as int32, which stay at 2**30 beyond it; both of the shape of a,
    flattened where axis is None.)");
}

using Cumulative = array (*)(const array&, std::optional<int>,
                             std::optional<Dtype>, bool, StreamOrDevice);

void bind_cumulative(nb::module_& m, const char* name, Cumulative function,
                     const char* doc) {
  std::string signature = std::string("def ") + name +
                          "(x: object, /, *, axis: int | None = None, dtype: "
                          "None | DtypeLike = None, include_initial: bool = "
                          "False) -> array";
  m.def(
      name,
      [name, function](nb::handle x, nb::handle axis, nb::handle dtype,
                       nb::handle include_initial) {
        auto wanted = to_optional_dtype(dtype, name);
        bool initial = to_bool(include_initial, name, "include_initial");
        return apply(x, name, [&](const array& in) {
          auto along = to_optional_axis(axis, in, name);
          return give_work(
              in, [&] { return function(in, along, wanted, initial, {}); });
        });
      },
      nb::arg().none(), nb::kw_only(), nb::arg("axis") = nb::none(),
      nb::arg("dtype") = nb::none(), nb::arg("include_initial").none() = false,
      nb::sig(signature.c_str()), doc);
}

}  // namespace

void init_general_scan(nb::module_& m) {
  bind_general_scan(m);
  bind_frexp(m);
  bind_cumulative(m, "cumulative_prod", &cumulative_prod, R"(
Cumulative product, as the array API standard (2023.12) has it.

Args:
    x: An array or array-like with at least one axis.
    axis: The axis; it may be left out only if there is one.
    dtype: The dtype of the result, to which x is converted first. Without it,
        integers and bool_ give int64, and unsigned integers uint64.
    include_initial: Whether the result begins with a 1.

Raises:
    ValueError: x has no axis, or several and axis is None.
    IndexError: x has no such axis.)");
  bind_cumulative(m, "cumulative_sum", &cumulative_sum, R"(
Cumulative sum, as the array API standard (2023.12) has it.

Args and errors are those of :func:`cumulative_prod`; include_initial begins the
result with a 0.)");
}

}  // namespace upsweep::python
