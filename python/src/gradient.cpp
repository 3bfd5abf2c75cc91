// The derivatives of cumulative products.
#include "bindings.h"

namespace upsweep::python {

namespace {

// One derivative: its name, its two overloads, the name of its second argument
// and its docstring.
struct Gradient {
  const char* name;
  array (*flat)(const array&, const array&, bool, bool, StreamOrDevice,
                const std::optional<array>&);
  array (*along)(const array&, const array&, int, bool, bool, StreamOrDevice,
                 ResultMemory, const std::optional<array>&);
  const char* other;
  const char* doc;
};

constexpr const char* k_vjp_doc = R"(
The gradient of a cumulative product: of sum(cotangent * cumprod(a, ...)) with
respect to a.

Element k is the sum of cotangent[i] times the product of the elements up to i
other than k, over all i from k on. Nothing is divided: it is right at zeros,
one or many. It is the derivative of the exact product, so a product that leaves
the range of the dtype on the way does not make it 0 or NaN; only the result is
rounded. With S the sum of the magnitudes of these terms and n the number of
elements of the line, or of the segment between resets, the error is at most
half an ulp of the result plus (2 n + 4) * u * S, where u is 2^-53 for float64,
2^-50 for complex64 and 2^-52 for the others, or 2^-44 for those on a GPU, but
not with a reset.
Results have the same bits on every run. If elements are infinite or NaN,
the products and sums follow IEEE arithmetic.

Args:
    a: An array or array-like of any shape and strides; float16, bfloat16,
        float32, float64 or complex64.
    cotangent: How much each element of cumprod(a, ...) counts: of the dtype of
        a and of the shape of that result, or one that broadcasts to it.
    axis, reverse, inclusive: As those of :func:`cumprod`.
    reset: Where the product starts afresh, as that of :func:`scan`: a bool_
        array of the shape of a; or, for one axis, integer offsets of segments.
        Zeros, infinities and NaNs of one segment do not reach another. A GPU
        leaves derivatives with a reset to the CPU.
    stream: Where to run: a stream, a device for its default stream, or None
        for the default stream of the default device.

Returns:
    A new array of the shape and dtype of a. The transposed derivative of
    complex64 is not conjugated.

Raises:
    IndexError: a has no such axis.
    TypeError: An argument is of the wrong type or dtype.
    ValueError: The cotangent or the reset does not fit a.
    MemoryError: The result does not fit into memory.)";

constexpr const char* k_jvp_doc = R"(
The derivative of a cumulative product along a tangent: by how much
cumprod(a, ...) changes, to first order, where a changes by the tangent.

Element i is the sum of tangent[k] times the product of the elements up to i
other than k, over all k up to i. Accuracy, arguments and errors are those of
:func:`cumprod_vjp`, but that the tangent has the shape of a, or one that
broadcasts to it.

Returns:
    A new array of the shape of a, flattened where axis is None, and of its
    dtype.)";

constexpr Gradient kGradients[] = {
    {"cumprod_vjp", cumprod_vjp, cumprod_vjp, "cotangent", k_vjp_doc},
    {"cumprod_jvp", cumprod_jvp, cumprod_jvp, "tangent", k_jvp_doc},
};

array to_operand(nb::handle h, const Gradient& g, const char* name,
                 std::optional<Dtype> dtype) {
  return name_argument(g.name, name, [&] {
    if (h.is_none() || nb::isinstance<Carry>(h)) {
      throw TypeError(std::string("[") + g.name +
                      "] it must be an array or array-like, not " + type_of(h) +
                      ".");
    }
    return dtype ? to_array_like(h, *dtype, g.name) : to_array(h, g.name);
  });
}

void bind(nb::module_& m, const Gradient& g) {
  std::string signature = std::string("def ") + g.name + "(a: object, " +
                          g.other +
                          ": object, /, axis: int | None = None, *, "
                          "reverse: bool = False, inclusive: bool = True, "
                          "reset: object = None, stream: None | Stream | "
                          "Device | DeviceType = None) -> array";
  m.def(
      g.name,
      [g = &g](nb::handle a, nb::handle other, nb::handle axis,
               nb::handle reverse, nb::handle inclusive, nb::handle reset,
               nb::handle stream) {
        bool backwards = to_bool(reverse, g->name, "reverse");
        bool own = to_bool(inclusive, g->name, "inclusive");
        StreamOrDevice s = to_stream_or_device(stream, g->name);
        array in = to_operand(a, *g, "a", std::nullopt);
        // Numbers and sequences of them take the dtype.
        std::optional<Dtype> dtype;
        if (is_number_or_sequence(other)) dtype = in.dtype();
        array terms = to_operand(other, *g, g->other, dtype);
        std::optional<array> starts;
        if (!reset.is_none()) {
          starts = name_argument(g->name, "reset",
                                 [&] { return to_array(reset, g->name); });
        }
        array out = give_work(in, [&] {
          if (axis.is_none()) {
            return g->flat(in, terms, backwards, own, s, starts);
          }
          int along = to_axis(axis, in, g->name, "axis");
          return g->along(in, terms, along, backwards, own, s, {}, starts);
        });
        for (nb::handle h : {a, other, reset}) {
          if (may_change(h)) wait(out);
        }
        return out;
      },
      nb::arg().none(), nb::arg().none(), nb::arg("axis") = nb::none(),
      nb::kw_only(), nb::arg("reverse").none() = false,
      nb::arg("inclusive").none() = true, nb::arg("reset") = nb::none(),
      nb::arg("stream") = nb::none(), nb::sig(signature.c_str()), g.doc);
}

}  // namespace

void init_gradient(nb::module_& m) {
  for (const Gradient& g : kGradients) bind(m, g);
}

}  // namespace upsweep::python
