// class Dtype and its fourteen values, one Python object for each, and what of
// other libraries names them.

#include <array>

#include "bindings.h"

namespace upsweep::python {

namespace {

constexpr Dtype kDtypes[] = {bool_,    uint8,   uint16,  uint32,   uint64,
                             int8,     int16,   int32,   int64,    float16,
                             bfloat16, float32, float64, complex64};

// Borrowed from the module, which outlives every array.
std::array<PyObject*, std::size(kDtypes)> objects;

// NumPy and Python call bool_ bool.
std::string numpy_name(Dtype dtype) {
  return dtype == bool_ ? "bool" : dtype.name();
}

std::optional<Dtype> find_dtype(const std::string& name) {
  for (Dtype dtype : kDtypes) {
    if (name == dtype.name() || name == numpy_name(dtype)) return dtype;
  }
  return std::nullopt;
}

// What h calls itself, if it is a name, a scalar type such as numpy.float32, or
// a dtype of another library. Elements here are in the byte order of the
// machine.
std::string name_of(nb::handle h) {
  if (nb::isinstance<nb::str>(h)) return nb::cast<std::string>(h);
  bool is_native = !nb::getattr(h, "isnative", nb::none()).is(Py_False);
  const char* attribute = PyType_Check(h.ptr()) ? "__name__" : "name";
  nb::object name = nb::getattr(h, attribute, nb::none());
  if (!nb::isinstance<nb::str>(name) || !is_native) return {};
  return nb::cast<std::string>(name);
}

nb::object to_numpy(Dtype dtype) {
  if (dtype != bfloat16) {
    return nb::module_::import_("numpy").attr("dtype")(numpy_name(dtype));
  }
  // NumPy knows it through ml_dtypes only.
  nb::object type = nb::module_::import_("ml_dtypes").attr("bfloat16");
  return nb::module_::import_("numpy").attr("dtype")(type);
}

}  // namespace

nb::object dtype_object(Dtype dtype) {
  return nb::borrow(objects[static_cast<size_t>(dtype.val)]);
}

Dtype to_dtype(nb::handle h, const char* op) {
  if (nb::isinstance<Dtype>(h)) return contents<Dtype>(h);
  if (auto dtype = find_dtype(name_of(h))) return *dtype;
  throw TypeError(std::string("[") + op +
                  "] dtype must be one of upsweep's, or its name in upsweep or "
                  "NumPy, such as upsweep.float32, \"float32\" or "
                  "numpy.float32, not " +
                  nb::cast<std::string>(nb::repr(h)) + ".");
}

std::optional<Dtype> to_optional_dtype(nb::handle h, const char* op) {
  if (h.is_none()) return std::nullopt;
  return to_dtype(h, op);
}

void init_dtype(nb::module_& m) {
  nb::class_<Dtype>(m, "Dtype", R"(
The type of an array's elements: one of bool_, uint8, uint16, uint32, uint64,
int8, int16, int32, int64, float16, bfloat16, float32, float64 and complex64.

There is one object for each, so ``is`` and ``==`` agree. Where a dtype is
wanted, its name, such as ``"float32"``, and NumPy's dtype or scalar type of that
name do too; ``numpy.dtype(upsweep.float32)`` is the way back.)")
      .def_prop_ro("name", &Dtype::name, nb::sig("def name(self) -> str"),
                   "The name, such as ``'float32'``.")
      .def_prop_ro("size", &Dtype::size, nb::sig("def size(self) -> int"),
                   "Bytes per element.")
      .def(
          "__repr__",
          [](Dtype d) { return std::string("upsweep.") + d.name(); },
          nb::sig("def __repr__(self) -> str"))
      .def_prop_ro("__numpy_dtype__", &to_numpy,
                   nb::sig("def __numpy_dtype__(self) -> Any"),
                   "What numpy.dtype makes of it, from NumPy 2.4 on.")
      .def_prop_ro("dtype", &to_numpy, nb::sig("def dtype(self) -> Any"),
                   "NumPy's dtype of this name, which numpy.dtype makes of it. "
                   "bfloat16 needs ml_dtypes.")
      // A bare name tells pickle and copy to look the object up.
      .def("__reduce__", &Dtype::name, nb::sig("def __reduce__(self) -> str"));

  for (Dtype dtype : kDtypes) {
    nb::object object = nb::cast(dtype);
    m.attr(dtype.name()) = object;
    objects[static_cast<size_t>(dtype.val)] = object.ptr();
  }
  // The stub generator considers bool_ private.
}

}  // namespace upsweep::python
