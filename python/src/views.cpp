// Views and conversions of an array, as functions and as methods of array.
#include "bindings.h"

namespace upsweep::python {

namespace {

// Binds what functions and methods share; methods do not annotate their first
// argument.
template <class Scope, class... First>
void bind(Scope& scope, const std::string& first, const First&... annotation) {
  auto sig = [&](const char* name, const char* rest) {
    return std::string("def ") + name + "(" + first + ", /, " + rest +
           ") -> array";
  };
  scope.def(
      "flatten",
      [](nb::handle a, nb::handle start, nb::handle end, nb::handle stream) {
        return apply(a, "flatten", [&](const array& in) {
          return flatten(in, to_axis(start, in, "flatten", "start_axis"),
                         to_axis(end, in, "flatten", "end_axis"),
                         to_stream_or_device(stream, "flatten"));
        });
      },
      annotation..., nb::arg("start_axis") = 0, nb::arg("end_axis") = -1,
      nb::kw_only(), nb::arg("stream") = nb::none(),
      nb::sig(sig("flatten",
                  "start_axis: int = 0, end_axis: int = -1, *, "
                  "stream: None | Stream | Device | DeviceType = None")
                  .c_str()),
      R"(
Merges the axes from start_axis to end_axis; a 0-d array gives shape (1,). A
view if strides allow it, else a copy.

Raises:
    IndexError: The array has no such axis.
    ValueError: start_axis lies after end_axis.)");
  scope.def(
      "swapaxes",
      [](nb::handle a, nb::handle axis1, nb::handle axis2) {
        return apply(a, "swapaxes", [&](const array& in) {
          return swapaxes(in, to_axis(axis1, in, "swapaxes", "axis1"),
                          to_axis(axis2, in, "swapaxes", "axis2"));
        });
      },
      annotation..., nb::arg("axis1"), nb::arg("axis2"),
      nb::sig(sig("swapaxes", "axis1: int, axis2: int").c_str()), R"(
A view with two axes swapped.

Raises:
    IndexError: The array has no such axis.)");
  scope.def(
      "moveaxis",
      [](nb::handle a, nb::handle source, nb::handle destination) {
        return apply(a, "moveaxis", [&](const array& in) {
          return moveaxis(in, to_axis(source, in, "moveaxis", "source"),
                          to_axis(destination, in, "moveaxis", "destination"));
        });
      },
      annotation..., nb::arg("source"), nb::arg("destination"),
      nb::sig(sig("moveaxis", "source: int, destination: int").c_str()), R"(
A view with one axis moved to another position; the others keep their order.

Raises:
    IndexError: The array has no such axis.)");
  scope.def(
      "squeeze",
      [](nb::handle a, nb::handle axis) {
        return apply(a, "squeeze", [&](const array& in) {
          return axis.is_none()
                     ? squeeze(in)
                     : squeeze(in, to_axes(axis, in, "squeeze", "axis"));
        });
      },
      annotation..., nb::arg("axis") = nb::none(),
      nb::sig(
          sig("squeeze", "axis: None | int | Sequence[int] = None").c_str()),
      R"(
A view without axes of extent 1: the given ones, or all.

Raises:
    IndexError: The array has no such axis.
    ValueError: An axis has another extent.)");
  scope.def(
      "expand_dims",
      [](nb::handle a, nb::handle axis) {
        return apply(a, "expand_dims", [&](const array& in) {
          return expand_dims(in, to_axes(axis, in, "expand_dims", "axis"));
        });
      },
      annotation..., nb::arg("axis"),
      nb::sig(sig("expand_dims", "axis: int | Sequence[int]").c_str()), R"(
A view with axes of extent 1 inserted at these positions of the result.

Raises:
    IndexError: The result has no such axis.)");
  scope.def(
      "broadcast_to",
      [](nb::handle a, nb::handle shape) {
        return apply(a, "broadcast_to", [&](const array& in) {
          return broadcast_to(in, to_shape(shape, "broadcast_to"));
        });
      },
      annotation..., nb::arg("shape"),
      nb::sig(sig("broadcast_to", "shape: int | Sequence[int]").c_str()), R"(
A view of the given shape in which axes of extent 1, and axes added in front,
repeat by stride 0.

Raises:
    ValueError: The shapes do not match.)");
}

array reshape_to(nb::handle a, nb::handle shape, nb::handle stream) {
  return apply(a, "reshape", [&](const array& in) {
    return reshape(in, to_shape(shape, "reshape"),
                   to_stream_or_device(stream, "reshape"));
  });
}

array transpose_by(nb::handle a, nb::handle axes) {
  return apply(a, "transpose", [&](const array& in) {
    return axes.is_none()
               ? transpose(in)
               : transpose(in, to_axes(axes, in, "transpose", "axes"));
  });
}

constexpr char kReshapeDoc[] = R"(
The same elements in row-major order, in another shape; one extent may be -1. A
view if strides allow it, else a copy.

Raises:
    ValueError: The shape has a different number of elements.)";

constexpr char kTransposeDoc[] = R"(
A view with the axes in the given order; reversed if none is given.

Raises:
    IndexError: The array has no such axis.
    ValueError: An axis is missing or repeated.)";

}  // namespace

void bind_views(ArrayClass& c) {
  c.def(
      "reshape",
      [](nb::handle self, nb::args shape, nb::handle stream) {
        return reshape_to(self, one_or_many(shape), stream);
      },
      nb::arg("shape"), nb::arg("stream") = nb::none(),
      nb::sig("def reshape(self, *shape: int | Sequence[int], "
              "stream: None | Stream | Device | DeviceType = None) -> array"),
      kReshapeDoc);
  c.def(
      "transpose",
      [](nb::handle self, nb::args axes) {
        return transpose_by(self,
                            axes.size() == 0 ? nb::none() : one_or_many(axes));
      },
      nb::sig(
          "def transpose(self, *axes: None | int | Sequence[int]) -> array"),
      kTransposeDoc);
  c.def_prop_ro(
      "T", [](const array& a) { return transpose(a); },
      nb::sig("def T(self) -> array"), "A view with the axes reversed.");
  c.def(
      "astype",
      [](const array& a, nb::handle dtype, nb::handle stream) {
        return astype(a, to_dtype(dtype, "astype"),
                      to_stream_or_device(stream, "astype"));
      },
      nb::arg("dtype"), nb::arg("stream") = nb::none(),
      nb::sig("def astype(self, dtype: DtypeLike, "
              "stream: None | Stream | Device | DeviceType = None) -> array"),
      R"(
The elements converted to dtype; the array itself if it has that dtype. To bool_
tests for non-zero, complex to real drops the imaginary part, floats beyond an
integer's range saturate, and NaN gives 0.)");
  bind(c, "self");
}

void init_views(nb::module_& m) {
  m.def("reshape", &reshape_to, nb::arg(), nb::arg("shape"), nb::kw_only(),
        nb::arg("stream") = nb::none(),
        nb::sig("def reshape(a: object, /, shape: int | Sequence[int], *, "
                "stream: None | Stream | Device | DeviceType = None) -> array"),
        kReshapeDoc);
  m.def(
      "transpose", &transpose_by, nb::arg(), nb::arg("axes") = nb::none(),
      nb::sig("def transpose(a: object, /, axes: None | Sequence[int] = None) "
              "-> array"),
      kTransposeDoc);
  bind(m, "a: object", nb::arg());
}

}  // namespace upsweep::python
