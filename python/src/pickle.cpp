// copy, deepcopy and pickle.
#include <algorithm>

#include "bindings.h"

namespace upsweep::python {

namespace {

// The bytes in row-major order, the shape and the dtype.
nb::tuple get_state(nb::handle self) {
  array dense = contiguous(as_array(self));
  wait_for_data(dense);
  nb::object bytes = nb::steal(
      PyBytes_FromStringAndSize(static_cast<const char*>(dense.raw_data()),
                                static_cast<Py_ssize_t>(dense.nbytes())));
  if (!bytes.is_valid()) nb::raise_python_error();
  return nb::make_tuple(bytes, self.attr("shape"), dtype_object(dense.dtype()));
}

void set_state(array* self, const nb::tuple& state) {
  constexpr char kOp[] = "__setstate__";
  if (state.size() != 3 || !nb::isinstance<nb::bytes>(state[0])) {
    throw TypeError(
        "[__setstate__] state must be a tuple of bytes, a shape and a dtype, "
        "as __getstate__ returns it.");
  }
  nb::bytes bytes = nb::borrow<nb::bytes>(state[0]);
  Dtype dtype = to_dtype(state[2], kOp);
  Shape shape = to_shape(state[1], kOp);
  bool is_empty = std::ranges::find(shape, 0) != shape.end();
  size_t size = is_empty ? 0 : dtype.size();
  bool is_countable = true;
  for (int64_t extent : shape) {
    is_countable &= extent >= 0;
    if (is_empty) continue;
    is_countable &=
        !__builtin_mul_overflow(size, static_cast<size_t>(extent), &size);
  }
  if (!is_countable || size != bytes.size()) {
    throw std::invalid_argument(
        "[__setstate__] The state holds another number of bytes than its shape "
        "says.");
  }
  new (self)
      array(static_cast<const void*>(bytes.c_str()), std::move(shape), dtype);
}

}  // namespace

void bind_pickle(ArrayClass& c) {
  auto copied = [](const array& a) { return copy(a); };
  c.def("__copy__", copied, nb::sig("def __copy__(self) -> array"));
  c.def(
      "__deepcopy__",
      [copied](const array& a, nb::handle) { return copied(a); },
      nb::arg("memo"), nb::sig("def __deepcopy__(self, memo: Any) -> array"));
  c.def("__getstate__", &get_state,
        nb::sig("def __getstate__(self) -> tuple[bytes, tuple[int, ...], "
                "Dtype]"));
  c.def("__setstate__", &set_state,
        nb::sig("def __setstate__(self, state: tuple[bytes, tuple[int, ...], "
                "Dtype], /) -> None"));
}

}  // namespace upsweep::python
