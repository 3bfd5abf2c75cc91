// Exports elements: as Python numbers and lists, and NumPy arrays.

#include "bindings.h"

namespace upsweep::python {

namespace {

void check_one_element(const array& a) {
  if (a.size() != 1) {
    throw std::invalid_argument(
        "[convert] Only length-1 arrays can be converted to Python scalars.");
  }
}

bool is_true(const array& a) {
  check_one_element(a);
  wait_for_data(a);
  FloatMode mode;
  return visit_dtype(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T value = load_element<T>(a.raw_data());
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, complex64_t>) {
      return value != T{};
    } else {
      return static_cast<double>(value) != 0;
    }
  });
}

// The elements from one axis on, starting at the given address.
nb::object to_list(const array& a, const char* at, size_t axis) {
  if (axis == a.shape().size()) return element(at, a.dtype());
  nb::list out;
  int64_t step = a.strides()[axis] * static_cast<int64_t>(a.itemsize());
  for (int64_t i = 0; i < a.shape()[axis]; ++i) {
    out.append(to_list(a, at + i * step, axis + 1));
  }
  return out;
}

nb::object import_numpy() {
  try {
    return nb::module_::import_("numpy");
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_ImportError)) throw;
    nb::raise_from(e, PyExc_ModuleNotFoundError,
                   "[__array__] NumPy is not installed; pip install "
                   "'upsweep[numpy]' adds it.");
  }
}

// NumPy knows bfloat16 through ml_dtypes only.
nb::object numpy_bfloat16(const array& a, nb::handle numpy) {
  nb::object ml_dtypes;
  try {
    ml_dtypes = nb::module_::import_("ml_dtypes");
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_ImportError)) throw;
    throw TypeError(
        "[__array__] NumPy has no bfloat16; use astype(upsweep.float32), or "
        "install ml_dtypes.");
  }
  array bits =
      array::adopt(a.raw_data(), a.shape(), a.strides(), uint16, [a] {});
  return numpy.attr("asarray")(nb::cast(bits))
      .attr("view")(ml_dtypes.attr("bfloat16"));
}

nb::object to_numpy(nb::handle self, nb::handle dtype, nb::handle copy) {
  const array& a = as_array(self);
  wait_for_data(a);
  nb::object numpy = import_numpy();
  nb::object shared = a.dtype() == bfloat16
                          ? numpy_bfloat16(a, numpy)
                          : numpy.attr("asarray")(
                                nb::steal(PyMemoryView_FromObject(self.ptr())));
  return numpy.attr("array")(shared, nb::arg("dtype") = dtype,
                             nb::arg("copy") = copy);
}

nb::object checked(PyObject* result) {
  if (!result) nb::raise_python_error();
  return nb::steal(result);
}

void bind_numbers(ArrayClass& c) {
  c.def("__bool__", &is_true, nb::sig("def __bool__(self) -> bool"))
      .def(
          "__int__",
          [](const array& a) { return checked(PyNumber_Long(item(a).ptr())); },
          nb::sig("def __int__(self) -> int"))
      .def(
          "__float__",
          [](const array& a) { return checked(PyNumber_Float(item(a).ptr())); },
          nb::sig("def __float__(self) -> float"))
      .def(
          "__complex__",
          [](const array& a) { return nb::handle(&PyComplex_Type)(item(a)); },
          nb::sig("def __complex__(self) -> complex"))
      .def(
          "__index__",
          [](const array& a) {
            if (a.ndim() > 0 || !a.dtype().is_integer()) {
              throw TypeError(
                  "Only 0-dimensional integer arrays can be converted to an "
                  "index.");
            }
            return item(a);
          },
          nb::sig("def __index__(self) -> int"));
}

}  // namespace

nb::object item(const array& a) {
  check_one_element(a);
  wait_for_data(a);
  FloatMode mode;  // another library may have set one that flushes subnormals
  return element(a.raw_data(), a.dtype());
}

nb::object element(const void* at, Dtype dtype) {
  return visit_dtype(dtype, [&](auto zero) -> nb::object {
    using T = decltype(zero);
    T value = load_element<T>(at);
    if constexpr (std::is_same_v<T, bool>) {
      return nb::bool_(value);
    } else if constexpr (std::is_same_v<T, complex64_t>) {
      return checked(PyComplex_FromDoubles(value.real(), value.imag()));
    } else if constexpr (std::is_integral_v<T>) {
      return nb::int_(value);
    } else {
      return nb::float_(static_cast<double>(value));
    }
  });
}

void bind_export(ArrayClass& c) {
  c.def("item", &item, nb::sig("def item(self) -> Any"), R"(
The only element as a Python number.

Raises:
    ValueError: There are more elements, or none.)");
  c.def(
      "tolist",
      [](const array& a) {
        wait_for_data(a);
        FloatMode mode;
        return to_list(a, static_cast<const char*>(a.raw_data()), 0);
      },
      nb::sig("def tolist(self) -> Any"),
      "The elements as Python numbers in nested lists; one number for a 0-d "
      "array.");
  c.def("__array__", &to_numpy, nb::arg("dtype") = nb::none(),
        nb::arg("copy") = nb::none(),
        nb::sig("def __array__(self, dtype: Any = None, copy: bool | None = "
                "None) -> Any"),
        R"(
A NumPy array: read-only over the same memory unless a copy is requested or
needed. bfloat16 needs ml_dtypes.

Raises:
    ImportError: NumPy is not installed.
    TypeError: NumPy does not know the dtype.
    ValueError: copy is False and dtype differs from that of the array.)");
  bind_numbers(c);
}

}  // namespace upsweep::python
