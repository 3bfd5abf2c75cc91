// Constructors and comparisons.
#include "bindings.h"

namespace upsweep::python {

namespace {

array range(nb::handle first, nb::handle second, nb::handle step,
            nb::handle dtype, nb::handle stream) {
  nb::object zero = nb::int_(0), one = nb::int_(1);
  nb::handle start = second.is_none() ? nb::handle(zero) : first;
  nb::handle stop = second.is_none() ? first : second;
  if (step.is_none()) step = one;
  auto wanted = to_optional_dtype(dtype, "arange");
  auto s = to_stream_or_device(stream, "arange");
  auto integer = [](nb::handle h) { return PyIndex_Check(h.ptr()) != 0; };
  if (!integer(start) || !integer(stop) || !integer(step)) {
    return arange(
        to_double(start, "arange", "start"), to_double(stop, "arange", "stop"),
        to_double(step, "arange", "step"), wanted.value_or(float32), s);
  }
  int64_t from = to_int64(start, "arange", "start");
  int64_t to = to_int64(stop, "arange", "stop");
  int64_t by = to_int64(step, "arange", "step");
  auto fits = [](int64_t x) { return x == static_cast<int32_t>(x); };
  Dtype natural = fits(from) && fits(to) && fits(by) ? int32 : int64;
  return arange(from, to, by, wanted.value_or(natural), s);
}

Dtype dtype_or_float32(nb::handle dtype, const char* op) {
  return to_optional_dtype(dtype, op).value_or(float32);
}

void bind_constructors(nb::module_& m) {
  m.def(
      "zeros",
      [](nb::handle shape, nb::handle dtype, nb::handle stream) {
        return zeros(to_shape(shape, "zeros"), dtype_or_float32(dtype, "zeros"),
                     to_stream_or_device(stream, "zeros"));
      },
      nb::arg("shape"), nb::arg("dtype") = nb::none(), nb::kw_only(),
      nb::arg("stream") = nb::none(),
      nb::sig("def zeros(shape: int | Sequence[int], dtype: None | DtypeLike = "
              "float32, *, stream: None | Stream | Device | DeviceType = None) "
              "-> array"),
      R"(
A new array of zeros.

Raises:
    ValueError: An extent is negative.
    MemoryError: The array does not fit into memory.)");
  m.def(
      "ones",
      [](nb::handle shape, nb::handle dtype, nb::handle stream) {
        return ones(to_shape(shape, "ones"), dtype_or_float32(dtype, "ones"),
                    to_stream_or_device(stream, "ones"));
      },
      nb::arg("shape"), nb::arg("dtype") = nb::none(), nb::kw_only(),
      nb::arg("stream") = nb::none(),
      nb::sig("def ones(shape: int | Sequence[int], dtype: None | DtypeLike = "
              "float32, *, stream: None | Stream | Device | DeviceType = None) "
              "-> array"),
      R"(
A new array of ones.

Raises:
    ValueError: An extent is negative.
    MemoryError: The array does not fit into memory.)");
  m.def(
      "full",
      [](nb::handle shape, nb::handle vals, nb::handle dtype,
         nb::handle stream) {
        auto wanted = to_optional_dtype(dtype, "full");
        array in = to_array(vals, wanted, std::nullopt, "full");
        array out = full(to_shape(shape, "full"), in, wanted,
                         to_stream_or_device(stream, "full"));
        if (!is_array(vals)) wait(out);
        return out;
      },
      nb::arg("shape"), nb::arg("vals"), nb::arg("dtype") = nb::none(),
      nb::kw_only(), nb::arg("stream") = nb::none(),
      nb::sig("def full(shape: int | Sequence[int], vals: object, dtype: None "
              "| DtypeLike = None, *, stream: None | Stream | Device | "
              "DeviceType = None) -> "
              "array"),
      R"(
A new array of the given values, a number or an array-like broadcast to the
shape, converted to dtype if one is given.

Raises:
    ValueError: An extent is negative, or the values do not match the shape.
    MemoryError: The array does not fit into memory.)");
  m.def("arange", &range, nb::arg("start"), nb::arg("stop") = nb::none(),
        nb::arg("step") = nb::none(), nb::arg("dtype") = nb::none(),
        nb::kw_only(), nb::arg("stream") = nb::none(),
        nb::sig(
            "def arange(start: int | float, stop: None | int | float = "
            "None, step: None | int | float = None, dtype: None | DtypeLike = "
            "None, *, stream: None | Stream | Device | DeviceType = None) -> "
            "array"),
        R"(
A new array of start, start + step, ... below stop (above, for a negative step).
A single bound is the stop, with a start of 0; the default step is 1. Integers
give int32, or int64 if they do not fit; floats give float32.

Raises:
    ValueError: step is 0, or a bound is not finite.
    MemoryError: The array does not fit into memory.)");
}

void bind_comparisons(nb::module_& m) {
  m.def(
      "array_equal",
      [](nb::handle a, nb::handle b, nb::handle equal_nan, nb::handle stream) {
        bool nans = to_bool(equal_nan, "array_equal", "equal_nan");
        StreamOrDevice s = to_stream_or_device(stream, "array_equal");
        return apply(a, "array_equal", [&](const array& left) {
          return apply(b, "array_equal", [&](const array& right) {
            return array_equal(left, right, nans, s);
          });
        });
      },
      nb::arg("a"), nb::arg("b"), nb::arg("equal_nan") = false,
      nb::arg("stream") = nb::none(),
      nb::sig("def array_equal(a: object, b: object, equal_nan: bool = False, "
              "stream: None | Stream | Device | DeviceType = None) -> array"),
      R"(
Whether two arrays or array-likes have the same shape and equal elements,
whatever their dtypes; a 0-d bool_ array.)");
  m.def(
      "allclose",
      [](nb::handle a, nb::handle b, nb::handle rtol, nb::handle atol,
         nb::handle equal_nan, nb::handle stream) {
        double relative = to_double(rtol, "allclose", "rtol");
        double absolute = to_double(atol, "allclose", "atol");
        bool nans = to_bool(equal_nan, "allclose", "equal_nan");
        StreamOrDevice s = to_stream_or_device(stream, "allclose");
        return apply(a, "allclose", [&](const array& left) {
          return apply(b, "allclose", [&](const array& right) {
            return allclose(left, right, relative, absolute, nans, s);
          });
        });
      },
      nb::arg(), nb::arg(), nb::arg("rtol") = 1e-5, nb::arg("atol") = 1e-8,
      nb::kw_only(), nb::arg("equal_nan") = false,
      nb::arg("stream") = nb::none(),
      nb::sig("def allclose(a: object, b: object, /, rtol: float = 1e-05, "
              "atol: float = 1e-08, *, equal_nan: bool = False, stream: None | "
              "Stream | Device | DeviceType = None) -> array"),
      R"(
Whether ``abs(a - b) <= atol + rtol * abs(b)`` for all elements after
broadcasting; a 0-d bool_ array.

Raises:
    ValueError: The shapes cannot be broadcast.)");
}

}  // namespace

void init_ops(nb::module_& m) {
  bind_constructors(m);
  bind_comparisons(m);
}

}  // namespace upsweep::python
