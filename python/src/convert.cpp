// Imports array-likes: decides which protocol an object supports, and shares
// its memory or copies it.
#include <exception>

#include "bindings.h"

namespace upsweep::python {

namespace {

// The strides in elements, if elements are aligned and whole elements apart.
std::optional<Strides> element_strides(const Foreign& memory) {
  auto itemsize = static_cast<int64_t>(memory.dtype.size());
  bool complex = memory.dtype == complex64;
  auto alignment = static_cast<uintptr_t>(complex ? itemsize / 2 : itemsize);
  if (reinterpret_cast<uintptr_t>(memory.data) % alignment != 0) {
    return std::nullopt;
  }
  Strides strides;
  for (size_t i = 0; i < memory.shape.size(); ++i) {
    // The stride of an axis without neighbours means nothing.
    int64_t stride = memory.shape[i] > 1 ? memory.byte_strides[i] : 0;
    if (stride % itemsize != 0) return std::nullopt;
    strides.push_back(stride / itemsize);
  }
  return strides;
}

std::string dtype_name(nb::handle h) {
  return nb::cast<std::string>(nb::str(nb::getattr(h, "dtype", h)));
}

// The extension type of ml_dtypes, which NumPy cannot name in either protocol.
bool is_numpy_bfloat16(nb::handle h) {
  nb::object dtype = nb::getattr(h, "dtype", nb::none());
  nb::object name = nb::getattr(dtype, "name", nb::none());
  return nb::isinstance<nb::str>(name) &&
         nb::cast<std::string>(name) == "bfloat16" && nb::hasattr(h, "view");
}

// NumPy's bfloat16 by a view as 16-bit integers, which the buffer protocol has.
std::variant<Foreign, std::string> from_numpy_bfloat16(nb::handle h,
                                                       const char* op) {
  return from_buffer(h.attr("view")("uint16"), bfloat16, op);
}

// A transformation such as mx.grad does not see what happens to the memory of
// an array, and the gradient would be zero.
void refuse_in_transformation_of_mlx(nb::handle h, const char* op) {
  nb::str name("mlx.core");
  nb::object mlx = nb::steal(PyImport_GetModule(name.ptr()));
  if (!mlx.is_valid()) {
    if (PyErr_Occurred()) nb::raise_python_error();
    return;  // nobody has imported it
  }
  nb::object type = nb::getattr(mlx, "array", nb::none());
  if (!PyType_Check(type.ptr()) || !nb::isinstance(h, type)) return;
  nb::module_::import_("upsweep._mlx_tracing").attr("refuse")(op);
}

// By DLPack. If a transformation of PyTorch or JAX holds the array, the error
// says so and names the functions for it.
Foreign from_dlpack_or_why(nb::handle h, bool may_copy, const char* op) {
  try {
    return from_dlpack(h, may_copy, op);
  } catch (nb::python_error& e) {
    nb::object text =
        nb::module_::import_("upsweep._tracing").attr("refusal")(op, h);
    if (text.is_none()) throw;
    nb::raise_from(e, PyExc_BufferError, "%s",
                   nb::cast<std::string>(text).c_str());
  }
}

Foreign foreign_of(nb::handle h, bool may_copy, const char* op) {
  refuse_in_transformation_of_mlx(h, op);
  if (nb::hasattr(h, "mask") && nb::hasattr(h, "filled")) {
    throw TypeError(std::string("[") + op + "] A " + type_of(h) +
                    " has a mask, which upsweep does not support; pass "
                    "filled(...) of it.");
  }
  bool buffer = PyObject_CheckBuffer(h.ptr());
  std::string why_not;         // its buffer cannot be read
  std::exception_ptr refusal;  // its error when asked for the buffer
  auto take = [&](auto from, nb::handle source) -> std::optional<Foreign> {
    auto found = from(source);
    if (auto* memory = std::get_if<Foreign>(&found)) return std::move(*memory);
    why_not = std::get<std::string>(found);
    return std::nullopt;
  };
  auto as_buffer = [&](nb::handle source) {
    return from_buffer(source, std::nullopt, op);
  };
  if (buffer) {
    try {
      if (auto found = take(as_buffer, h)) return std::move(*found);
    } catch (const nb::python_error&) {
      refusal = std::current_exception();
    }
  }
  if (nb::hasattr(h, "__dlpack__")) {
    try {
      return from_dlpack_or_why(h, may_copy, op);
    } catch (nb::python_error& e) {
      if (!buffer || !e.matches(PyExc_BufferError)) throw;
    }
  }
  if (is_numpy_bfloat16(h)) {
    auto bits = [&](nb::handle x) { return from_numpy_bfloat16(x, op); };
    if (auto found = take(bits, h)) return std::move(*found);
  }
  if (buffer && nb::hasattr(h, "dtype")) unsupported_dtype(dtype_name(h), op);
  if (nb::hasattr(h, "__array__")) {
    nb::object converted = h.attr("__array__")();
    if (PyObject_CheckBuffer(converted.ptr())) {
      if (auto found = take(as_buffer, converted)) return std::move(*found);
    }
    unsupported_dtype(dtype_name(converted), op);
  }
  if (!why_not.empty()) {
    throw TypeError(std::string("[") + op + "] " + why_not);
  }
  if (refusal) std::rethrow_exception(refusal);
  throw TypeError(std::string("[") + op +
                  "] An array is made of numbers, nested sequences of them, or "
                  "an object with DLPack or the buffer protocol, not of " +
                  type_of(h) + ".");
}

std::optional<bool> to_optional_bool(nb::handle h, const char* op) {
  if (h.is_none()) return std::nullopt;
  return to_bool(h, op, "copy");
}

}  // namespace

void unsupported_dtype(const std::string& name, const char* op) {
  throw TypeError(std::string("[") + op + "] Elements of type " + name +
                  " are not supported; convert them first to a dtype that "
                  "upsweep has, such as float64, complex64 or int64.");
}

array adopt(Foreign memory, bool may_copy, const char* op) {
  auto share = [&](Shape shape, Strides strides, Dtype dtype) {
    std::function<void()> release;  // without an owner, the memory is lent
    if (memory.owner)
      release = [owner = memory.owner]() mutable { owner.reset(); };
    return memory.stream
               ? array::adopt(memory.data, std::move(shape), std::move(strides),
                              dtype, std::move(release), *memory.stream)
               : array::adopt(memory.data, std::move(shape), std::move(strides),
                              dtype, std::move(release));
  };
  if (auto strides = element_strides(memory)) {
    return share(std::move(memory.shape), std::move(*strides), memory.dtype);
  }
  if (!may_copy) {
    throw NeedsCopy(op, "the elements are not aligned in memory");
  }
  // Copy bytes instead, along one more axis. Leave out axes of extent 1 to make
  // room for it.
  Shape shape;
  Strides strides;
  for (size_t i = 0; i < memory.shape.size(); ++i) {
    if (memory.shape[i] == 1) continue;
    shape.push_back(memory.shape[i]);
    strides.push_back(memory.byte_strides[i]);
  }
  shape.push_back(static_cast<int64_t>(memory.dtype.size()));
  strides.push_back(1);
  array bytes = upsweep::copy(share(shape, strides, uint8));
  wait(bytes);  // the owner may change them once they have been copied
  return bytes.reinterpret(memory.shape, memory.dtype);
}

array to_array(nb::handle h, const char* op) {
  return to_array(h, std::nullopt, std::nullopt, op);
}

array to_array_like(nb::handle h, Dtype dtype, const char* op) {
  if (!is_number_or_sequence(h)) return to_array(h, op);
  if (dtype == bool_ || dtype.is_integer()) {
    // Other numbers would be cut off.
    array natural = to_array(h, op);
    bool fits = natural.dtype() == bool_ ||
                (natural.dtype().is_integer() && dtype != bool_);
    if (!fits) return natural;
  }
  return to_array(h, dtype, std::nullopt, op);
}

array to_array(nb::handle h, std::optional<Dtype> dtype,
               std::optional<bool> copy, const char* op) {
  bool may_copy = copy.value_or(true);
  auto convert = [&](const array& a) {
    if (dtype && *dtype != a.dtype()) {
      if (!may_copy) {
        throw NeedsCopy(op, std::string("it holds ") + a.dtype().name());
      }
      return astype(a, *dtype);
    }
    return copy == true ? upsweep::copy(a) : a;
  };
  if (is_array(h)) return convert(as_array(h));
  if (is_number_or_sequence(h)) {
    if (!may_copy) throw NeedsCopy(op, "numbers in Python are not in an array");
    return from_sequence(h, dtype, op);
  }
  array out = convert(adopt(foreign_of(h, may_copy, op), may_copy, op));
  wait(out);  // the owner may change it once it has been copied
  return out;
}

void init_convert(nb::module_& m) {
  m.def(
      "asarray",
      [](nb::handle a, nb::handle dtype, nb::handle copy) {
        return to_array(a, to_optional_dtype(dtype, "asarray"),
                        to_optional_bool(copy, "asarray"), "asarray");
      },
      nb::arg("a").none(), nb::arg("dtype") = nb::none(), nb::kw_only(),
      nb::arg("copy") = nb::none(),
      nb::sig("def asarray(a: object, dtype: None | DtypeLike = None, *, copy: "
              "None "
              "| bool = None) -> array"),
      R"(
An array or array-like as an array. Shares its memory if it has DLPack or the
buffer protocol, a supported dtype and aligned elements. Shared memory must not
change while arrays use it.

Args:
    a: A number, nested sequences of numbers or arrays, or an array-like.
    dtype: The dtype, if it is to differ from that of a.
    copy: True always copies, False raises if a copy is needed.

Raises:
    TypeError: a is none of these, or has a dtype that upsweep lacks.
    ValueError: copy is False and a copy is needed, or nested sequences have
        non-uniform lengths.
    BufferError: a describes its memory in a way that makes no sense.
    OverflowError: An integer does not fit in the dtype.)");
  m.def(
      "from_dlpack",
      [](nb::handle x, nb::handle copy) {
        auto wanted = to_optional_bool(copy, "from_dlpack");
        if (!nb::hasattr(x, "__dlpack__")) {
          throw TypeError("[from_dlpack] x must have __dlpack__, which " +
                          type_of(x) + " does not have.");
        }
        if (is_array(x)) {
          return to_array(x, std::nullopt, wanted, "from_dlpack");
        }
        refuse_in_transformation_of_mlx(x, "from_dlpack");
        try {
          bool may_copy = wanted.value_or(true);
          array shared = adopt(from_dlpack_or_why(x, may_copy, "from_dlpack"),
                               may_copy, "from_dlpack");
          if (wanted != true) return shared;
          array copied = upsweep::copy(shared);
          wait(copied);
          return copied;
        } catch (const NeedsCopy& e) {
          throw nb::buffer_error(e.what());
        }
      },
      nb::arg(), nb::kw_only(), nb::arg("copy") = nb::none(),
      nb::sig("def from_dlpack(x: object, /, *, copy: None | bool = None) -> "
              "array"),
      R"(
An array over the memory of another library's array, which must not change while
arrays use it; a copy if copy is True.

Raises:
    TypeError: x does not speak DLPack, or has a dtype that upsweep does not.
    BufferError: The memory of x is on a device that upsweep does not use, its
        description makes no sense, or copy is False and a copy is needed.)");
}

}  // namespace upsweep::python
