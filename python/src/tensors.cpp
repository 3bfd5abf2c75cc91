// Scans from tensors to a tensor in one call, for upsweep.torch, which has
// checked the arguments: all tensors are on the device of the first, whose
// shape and dtype the result has.
#include "exchange.h"

namespace upsweep::python {

namespace {

std::optional<array> optional_operand(TensorCall& tensors, nb::handle tensor) {
  if (tensor.is_none()) return std::nullopt;
  return tensors.operand(tensor);
}

nb::object scan_tensors(nb::handle x, const char* op, int axis, bool reverse,
                        bool inclusive, nb::handle initial, nb::handle reset) {
  constexpr char kName[] = "scan";
  TensorCall tensors(x, kName);
  ScanOptions options;
  options.reverse = reverse;
  options.inclusive = inclusive;
  if (auto start = optional_operand(tensors, initial)) options.initial = *start;
  options.reset = optional_operand(tensors, reset);
  options.stream = tensors.stream();
  Op wanted = to_op(nb::str(op), kName);
  return tensors.run([&](ResultMemory into) {
    options.into = into;
    return scan(tensors.first(), wanted, axis, options);
  });
}

nb::object recurrence_tensors(nb::handle a, nb::handle b, int axis,
                              bool reverse, bool inclusive, nb::handle initial,
                              nb::handle reset) {
  TensorCall tensors(a, "linear_recurrence");
  array terms = tensors.operand(b);
  RecurrenceOptions options;
  options.reverse = reverse;
  options.inclusive = inclusive;
  options.initial = optional_operand(tensors, initial);
  options.reset = optional_operand(tensors, reset);
  return tensors.run([&](ResultMemory into) {
    options.into = into;
    return linear_recurrence(tensors.first(), terms, axis, options,
                             tensors.stream());
  });
}

nb::object recurrence_vjp_tensors(nb::handle a, nb::handle b,
                                  nb::handle cotangent, int axis, bool reverse,
                                  bool inclusive) {
  TensorCall tensors(a, "linear_recurrence_vjp");
  array terms = tensors.operand(b), c = tensors.operand(cotangent);
  return tensors.run([&](ResultMemory) {
    return linear_recurrence_vjp(tensors.first(), terms, c, axis, reverse,
                                 inclusive, tensors.stream());
  });
}

using Derivative = array (*)(const array&, const array&, int, bool, bool,
                             StreamOrDevice, ResultMemory,
                             const std::optional<array>&);

template <Derivative derivative>
nb::object derivative_tensors(nb::handle x, nb::handle other, int axis,
                              bool reverse, bool inclusive, nb::handle reset) {
  TensorCall tensors(x, derivative == static_cast<Derivative>(cumprod_vjp)
                            ? "cumprod_vjp"
                            : "cumprod_jvp");
  array terms = tensors.operand(other);
  std::optional<array> starts = optional_operand(tensors, reset);
  return tensors.run([&](ResultMemory into) {
    return derivative(tensors.first(), terms, axis, reverse, inclusive,
                      tensors.stream(), into, starts);
  });
}

}  // namespace

void init_tensors(nb::module_& m) {
  m.def("scan_tensors", &scan_tensors, nb::arg(), nb::arg(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(),
        nb::sig("def scan_tensors(x: Any, op: str, axis: int, reverse: bool, "
                "inclusive: bool, initial: Any, reset: Any, /) -> Any"),
        R"(
:func:`scan` of a tensor whose type has __dlpack_c_exchange_api__, to a new one of
its dtype. None is no initial value, or no reset. On a GPU the work is in the order of
the library's current stream; only what upsweep leaves to the CPU is waited for.)");
  m.def("recurrence_tensors", &recurrence_tensors, nb::arg(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(),
        nb::sig("def recurrence_tensors(a: Any, b: Any, axis: int, reverse: "
                "bool, inclusive: bool, initial: Any, reset: Any, /) -> Any"),
        "As scan_tensors, of :func:`linear_recurrence`.");
  m.def("recurrence_vjp_tensors", &recurrence_vjp_tensors,
        nb::sig("def recurrence_vjp_tensors(a: Any, b: Any, cotangent: Any, "
                "axis: int, reverse: bool, inclusive: bool, /) -> Any"),
        R"(
The gradients of :func:`linear_recurrence` for a cotangent of its results, as
scan_tensors, of tensors of one shape and real dtype on the CPU. The result has one
more axis, in front, of extent 2: for a and b.)");
  constexpr char kVjp[] = "cumprod_vjp_tensors", kJvp[] = "cumprod_jvp_tensors";
  m.def(kVjp, &derivative_tensors<cumprod_vjp>, nb::arg(), nb::arg(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg().none(),
        nb::sig("def cumprod_vjp_tensors(x: Any, cotangent: Any, axis: int, "
                "reverse: bool, inclusive: bool, reset: Any, /) -> Any"),
        "As scan_tensors, of :func:`cumprod_vjp`.");
  m.def(kJvp, &derivative_tensors<cumprod_jvp>, nb::arg(), nb::arg(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg().none(),
        nb::sig("def cumprod_jvp_tensors(x: Any, tangent: Any, axis: int, "
                "reverse: bool, inclusive: bool, reset: Any, /) -> Any"),
        "As scan_tensors, of :func:`cumprod_jvp`.");
}

}  // namespace upsweep::python
