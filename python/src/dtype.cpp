// class Dtype and its fourteen values, one Python object for each.

#include <array>

#include "bindings.h"

namespace upsweep::python {

namespace {

constexpr Dtype kDtypes[] = {bool_,    uint8,   uint16,  uint32,   uint64,
                             int8,     int16,   int32,   int64,    float16,
                             bfloat16, float32, float64, complex64};

// Borrowed from the module, which outlives every array.
std::array<PyObject*, std::size(kDtypes)> objects;

}  // namespace

nb::object dtype_object(Dtype dtype) {
  return nb::borrow(objects[static_cast<size_t>(dtype.val)]);
}

Dtype to_dtype(nb::handle h, const char* op) {
  if (!nb::isinstance<Dtype>(h)) {
    throw TypeError(std::string("[") + op +
                    "] dtype must be one of upsweep's, such as "
                    "upsweep.float32, not " +
                    type_of(h) + ".");
  }
  return contents<Dtype>(h);
}

std::optional<Dtype> to_optional_dtype(nb::handle h, const char* op) {
  if (h.is_none()) return std::nullopt;
  return to_dtype(h, op);
}

void init_dtype(nb::module_& m) {
  nb::class_<Dtype>(m, "Dtype", R"(
The type of an array's elements: one of bool_, uint8, uint16, uint32, uint64,
int8, int16, int32, int64, float16, bfloat16, float32, float64 and complex64.

There is one object for each, so ``is`` and ``==`` agree.)")
      .def_prop_ro("name", &Dtype::name, nb::sig("def name(self) -> str"),
                   "The name, such as ``'float32'``.")
      .def_prop_ro("size", &Dtype::size, nb::sig("def size(self) -> int"),
                   "Bytes per element.")
      .def(
          "__repr__",
          [](Dtype d) { return std::string("upsweep.") + d.name(); },
          nb::sig("def __repr__(self) -> str"))
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
