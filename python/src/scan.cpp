// The scans, as functions and as methods of array.
#include "bindings.h"
#include "exchange.h"
#include "upsweep/operators.h"

namespace upsweep::python {

namespace {

// One operator: its name, its two overloads and its docstring.
struct Scan {
  Op op;
  const char* name;
  array (*flat)(const array&, bool, bool, StreamOrDevice);
  array (*along)(const array&, int, bool, bool, StreamOrDevice);
  const char* doc;
};

constexpr const char* k_cumprod_doc = R"(
Cumulative product along an axis, or of the flattened array.

Element i of the result is the product of the elements up to i. Floating-point
results are within 1 ulp of successive multiplication without intermediate
rounding, whatever the length. They have the zeros, infinities and NaNs of
successive multiplication, and the same bits on every run. Integers wrap; bool_
is logical and.

Args:
    a: An array or array-like of any shape, strides and dtype.
    axis: The axis, counted from the end when negative; None scans the flattened
        array.
    reverse: Scan from the last element to the first.
    inclusive: Whether an element counts in its own result. If not, the first
        result in scan order is 1.
    stream: Where to run: a stream, a device for its default stream, or None
        for the default stream of the default device.

Returns:
    A new array of the shape of a, flattened where axis is None, and of its
    dtype.

Raises:
    IndexError: The array has no such axis.
    TypeError: An argument is of the wrong type.
    MemoryError: The result does not fit into memory.

Source:
    G. E. Blelloch, "Prefix sums and their applications", technical report
    CMU-CS-90-190, Carnegie Mellon University, 1990.)";

constexpr const char* k_cumsum_doc = R"(
Cumulative sum along an axis, or of the flattened array.

Floating-point sums are accumulated in wider arithmetic, are infinite or NaN
where successive addition is, and have the same bits on every run. Integers
wrap; bool_ gives int32.

Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
with 0.

Returns:
    A new array of the shape of a, flattened where axis is None; int32 for
    bool_, otherwise of its dtype.)";

constexpr const char* k_cummax_doc = R"(
Cumulative maximum along an axis, or of the flattened array.

NaN propagates from where it first appears; of equal elements the first one
counts; complex64 is ordered by real part, then by imaginary part.

Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
with the smallest value of the dtype, -inf where there is one.

Returns:
    A new array of the shape of a, flattened where axis is None, and of its
    dtype.)";

constexpr const char* k_cummin_doc = R"(
Cumulative minimum along an axis, or of the flattened array.

NaN propagates from where it first appears; of equal elements the first one
counts; complex64 is ordered by real part, then by imaginary part.

Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
with the largest value of the dtype, inf where there is one.

Returns:
    A new array of the shape of a, flattened where axis is None, and of its
    dtype.)";

constexpr const char* k_logcumsumexp_doc = R"(
Logarithm of the cumulative sum of exponentials along an axis, or of the
flattened array.

Intermediate results never overflow.

Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
with -inf.

Returns:
    A new array of the shape of a, flattened where axis is None; float32 for
    integers and bool_, otherwise of its dtype.)";

// A new operator in the table needs a docstring here.
constexpr Scan kScans[] = {
#define UPSWEEP_SCAN(op, name, result) \
  {Op::op, #name, name, name, k_##name##_doc},
    UPSWEEP_OPERATORS(UPSWEEP_SCAN)
#undef UPSWEEP_SCAN
};

// Binds one operator to the module or to class array, whose methods do not
// annotate their first argument.
template <class Scope, class... First>
void bind(Scope& scope, const Scan& scan, const char* first,
          const First&... annotation) {
  std::string signature =
      std::string("def ") + scan.name + "(" + first +
      ", /, axis: int | None = None, *, "
      "reverse: bool = False, inclusive: bool = True, "
      "stream: None | Stream | Device | DeviceType = None) -> array";
  scope.def(
      scan.name,
      [scan = &scan](nb::handle a, nb::handle axis, nb::handle reverse,
                     nb::handle inclusive, nb::handle stream) {
        bool backwards = to_bool(reverse, scan->name, "reverse");
        bool own = to_bool(inclusive, scan->name, "inclusive");
        StreamOrDevice s = to_stream_or_device(stream, scan->name);
        return apply(a, scan->name, [&](const array& in) {
          if (axis.is_none()) {
            return give_work(in,
                             [&] { return scan->flat(in, backwards, own, s); });
          }
          int along = to_axis(axis, in, scan->name, "axis");
          return give_work(
              in, [&] { return scan->along(in, along, backwards, own, s); });
        });
      },
      annotation..., nb::arg("axis") = nb::none(), nb::kw_only(),
      nb::arg("reverse").none() = false, nb::arg("inclusive").none() = true,
      nb::arg("stream") = nb::none(), nb::sig(signature.c_str()), scan.doc);
}

// For upsweep.torch: from tensor to tensor in one call, which shows in small
// ones. None asks for the general way, which converts the options or says what
// is wrong with them.
void bind_for_tensors(nb::module_& m, const Scan& scan) {
  std::string name = std::string(scan.name) + "_tensor";
  std::string signature = "def " + name +
                          "(tensor: Any, axis: object, reverse: object, "
                          "inclusive: object, /) -> Any";
  std::string doc =
      std::string("As :func:`") + scan.name + R"(`, of a tensor whose
type has __dlpack_c_exchange_api__, to a new one on its device, in the order of the
library's current stream. None unless axis is an int within bounds, the flags are True
or False, and the result has the dtype of the tensor.)";
  m.def(
      name.c_str(),
      [scan = &scan](nb::handle tensor, nb::handle axis, nb::handle reverse,
                     nb::handle inclusive) -> nb::object {
        if (!PyLong_CheckExact(axis.ptr()) || !PyBool_Check(reverse.ptr()) ||
            !PyBool_Check(inclusive.ptr())) {
          return nb::none();
        }
        TensorCall call(tensor, scan->name);
        const array& in = call.first();
        int overflow = 0;
        long along = PyLong_AsLongAndOverflow(axis.ptr(), &overflow);
        if (overflow || along < -in.ndim() || along >= in.ndim() ||
            result_dtype(scan->op, in.dtype()) != in.dtype()) {
          return nb::none();
        }
        return call.run([&](ResultMemory into) {
          int axis = static_cast<int>(along);
          bool backwards = reverse.is(Py_True), own = inclusive.is(Py_True);
          if (!call.is_on_gpu()) {
            return scan->along(in, axis, backwards, own, DeviceType::cpu);
          }
          ScanOptions options;
          options.reverse = backwards;
          options.inclusive = own;
          options.into = into;
          options.stream = call.stream();
          return upsweep::scan(in, scan->op, axis, options);
        });
      },
      nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
      nb::sig(signature.c_str()), doc.c_str());
}

// numpy.cumprod and numpy.cumsum call the method with these keywords.
void bind_for_numpy(ArrayClass& c, const char* name) {
  std::string signature =
      std::string("def ") + name +
      "(self, /, *, axis: int | None, dtype: Any, out: Any) -> Any";
  c.def(
      name,
      [name](nb::handle self, nb::handle axis, nb::handle dtype,
             nb::handle out) {
        nb::object numpy = nb::module_::import_("upsweep._numpy");
        return numpy.attr("cumulated")(self, name, axis, dtype, out);
      },
      nb::kw_only(), nb::arg("axis").none(), nb::arg("dtype").none(),
      nb::arg("out").none(), nb::sig(signature.c_str()),
      "What NumPy's function calls: a NumPy array, of the dtype that NumPy's "
      "would have.");
}

}  // namespace

void bind_scans(ArrayClass& c) {
  for (const Scan& scan : kScans) bind(c, scan, "self");
  for (const char* name : {"cumprod", "cumsum"}) bind_for_numpy(c, name);
}

void init_scan(nb::module_& m) {
  for (const Scan& scan : kScans) {
    bind(m, scan, "a: object", nb::arg().none());
    bind_for_tensors(m, scan);
  }
}

}  // namespace upsweep::python
