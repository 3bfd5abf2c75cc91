// The buffer protocol, both ways.
#include <bit>
#include <memory>

#include "bindings.h"

namespace upsweep::python {

namespace {

struct ViewDeleter {
  void operator()(Py_buffer* view) const {
    PyBuffer_Release(view);
    delete view;
  }
};

std::optional<Dtype> signed_of(Py_ssize_t itemsize) {
  switch (itemsize) {
    case 1:
      return int8;
    case 2:
      return int16;
    case 4:
      return int32;
    default:
      return int64;
  }
}

std::optional<Dtype> unsigned_of(Py_ssize_t itemsize) {
  switch (itemsize) {
    case 1:
      return uint8;
    case 2:
      return uint16;
    case 4:
      return uint32;
    default:
      return uint64;
  }
}

// The dtype that a format of the struct module describes.
std::optional<Dtype> dtype_of_format(std::string format, Py_ssize_t itemsize) {
  if (format.empty()) return std::nullopt;
  const char foreign_order =
      std::endian::native == std::endian::little ? '>' : '<';
  if (format[0] == '@' || format[0] == '=' || format[0] == '<' ||
      format[0] == '>') {
    if (format[0] == foreign_order && itemsize > 1) return std::nullopt;
    format.erase(0, 1);
  }
  std::optional<Dtype> dtype;
  if (format == "?") {
    dtype = bool_;
  } else if (format == "e") {
    dtype = float16;
  } else if (format == "f") {
    dtype = float32;
  } else if (format == "d") {
    dtype = float64;
  } else if (format == "Zf") {
    dtype = complex64;
  } else if (format.size() == 1 &&
             std::string("bhilqn").find(format[0]) != std::string::npos) {
    dtype = signed_of(itemsize);
  } else if (format.size() == 1 &&
             std::string("BHILQN").find(format[0]) != std::string::npos) {
    dtype = unsigned_of(itemsize);
  }
  if (dtype && dtype->size() != static_cast<size_t>(itemsize)) {
    return std::nullopt;
  }
  return dtype;
}

// The format of a dtype, or nothing for bfloat16, which the struct module does
// not know. NumPy's int64 is a long wherever that has 64 bits.
const char* format_of(Dtype dtype) {
  constexpr bool long_is_64 = sizeof(long) == 8;
  switch (dtype.val) {
    case Dtype::Val::bool_:
      return "?";
    case Dtype::Val::uint8:
      return "B";
    case Dtype::Val::uint16:
      return "H";
    case Dtype::Val::uint32:
      return "I";
    case Dtype::Val::uint64:
      return long_is_64 ? "L" : "Q";
    case Dtype::Val::int8:
      return "b";
    case Dtype::Val::int16:
      return "h";
    case Dtype::Val::int32:
      return "i";
    case Dtype::Val::int64:
      return long_is_64 ? "l" : "q";
    case Dtype::Val::float16:
      return "e";
    case Dtype::Val::float32:
      return "f";
    case Dtype::Val::float64:
      return "d";
    case Dtype::Val::complex64:
      return "Zf";
    default:
      return nullptr;
  }
}

// Extents and strides of an exported view, for as long as it lives.
struct Geometry {
  std::vector<Py_ssize_t> shape, strides;
};

// Whether strides lay the elements out without gaps, in the order that visits
// axes from the last to the first (row-major) or the other way round.
bool is_dense(const array& a, bool row_major) {
  return row_major ? a.is_contiguous() : transpose(a).is_contiguous();
}

const char* why_not(const array& a, int flags) {
  auto asks = [flags](int what) { return (flags & what) == what; };
  if (asks(PyBUF_WRITABLE)) {
    return "upsweep arrays are immutable; copy one to write to it.";
  }
  if (!format_of(a.dtype())) {
    return "The buffer protocol has no bfloat16; use astype(upsweep.float32) "
           "or "
           "DLPack.";
  }
  bool row_major = is_dense(a, true);
  if ((asks(PyBUF_C_CONTIGUOUS) || !asks(PyBUF_STRIDES)) && !row_major) {
    return "The array is not contiguous in row-major order.";
  }
  if (asks(PyBUF_F_CONTIGUOUS) && !is_dense(a, false)) {
    return "The array is not contiguous in column-major order.";
  }
  if (asks(PyBUF_ANY_CONTIGUOUS) && !row_major && !is_dense(a, false)) {
    return "The array is not contiguous.";
  }
  return nullptr;
}

void export_buffer(nb::handle self, Py_buffer* view, int flags) {
  const array& a = as_array(self);
  if (const char* reason = why_not(a, flags)) throw nb::buffer_error(reason);
  wait_for_data(a);
  auto geometry = std::make_unique<Geometry>();
  geometry->shape.assign(a.shape().begin(), a.shape().end());
  for (int64_t stride : a.strides()) {
    geometry->strides.push_back(stride * static_cast<Py_ssize_t>(a.itemsize()));
  }
  view->buf = const_cast<void*>(a.raw_data());
  view->len = static_cast<Py_ssize_t>(a.nbytes());
  view->itemsize = static_cast<Py_ssize_t>(a.itemsize());
  view->readonly = 1;
  view->ndim = a.ndim();
  view->format =
      flags & PyBUF_FORMAT ? const_cast<char*>(format_of(a.dtype())) : nullptr;
  view->shape = flags & PyBUF_ND ? geometry->shape.data() : nullptr;
  bool strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  view->strides = strides ? geometry->strides.data() : nullptr;
  view->suboffsets = nullptr;
  view->internal = geometry.release();
  view->obj = nb::borrow(self).release().ptr();
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  try {
    export_buffer(self, view, flags);
    return 0;
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_BufferError, e.what());
  }
  return -1;
}

void release_buffer(PyObject*, Py_buffer* view) {
  delete static_cast<Geometry*>(view->internal);
}

}  // namespace

PyType_Slot buffer_slots[] = {
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
    {0, nullptr},
};

std::optional<Foreign> from_buffer(nb::handle h, std::optional<Dtype> dtype,
                                   const char* op) {
  std::unique_ptr<Py_buffer, ViewDeleter> view(new Py_buffer{});
  if (PyObject_GetBuffer(h.ptr(), view.get(), PyBUF_RECORDS_RO) < 0) {
    PyErr_Clear();  // the caller tries other ways and says what failed
    return std::nullopt;
  }
  std::string format = view->format ? view->format : "B";
  if (!dtype) dtype = dtype_of_format(format, view->itemsize);
  if (!dtype) {
    if (format[0] == '>' || format[0] == '<' || format[0] == '!') {
      throw TypeError(std::string("[") + op +
                      "] Elements in foreign byte order are not supported; "
                      "convert them first, in NumPy with "
                      "a.astype(a.dtype.newbyteorder('=')).");
    }
    return std::nullopt;
  }
  const Py_buffer& v = *view;
  Foreign memory{v.buf,
                 Shape(v.shape, v.shape + v.ndim),
                 Strides(v.strides, v.strides + v.ndim),
                 *dtype,
                 nullptr,
                 std::nullopt};
  memory.owner = own(view.release(), [](void* object) {
    ViewDeleter()(static_cast<Py_buffer*>(object));
  });
  return memory;
}

}  // namespace upsweep::python
