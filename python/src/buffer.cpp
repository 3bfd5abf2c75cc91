// The buffer protocol, both ways.
#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <string_view>

#include "bindings.h"

namespace upsweep::python {

namespace {

struct ViewDeleter {
  void operator()(Py_buffer* view) const {
    PyBuffer_Release(view);
    delete view;
  }
};

// The dtypes that the letters of a format can mean. A long has either size,
// because some exporters use the machine's size even where the format means the
// standard one.
struct Meaning {
  std::string_view letters;
  std::array<Dtype, 2> dtypes;
};
constexpr Meaning kMeanings[] = {
    {"f", {float32, float32}},     {"d", {float64, float64}},
    {"i", {int32, int32}},         {"l", {int32, int64}},
    {"q", {int64, int64}},         {"B", {uint8, uint8}},
    {"?", {bool_, bool_}},         {"e", {float16, float16}},
    {"b", {int8, int8}},           {"h", {int16, int16}},
    {"H", {uint16, uint16}},       {"I", {uint32, uint32}},
    {"L", {uint32, uint64}},       {"Q", {uint64, uint64}},
    {"n", {int32, int64}},         {"N", {uint32, uint64}},
    {"F", {complex64, complex64}}, {"Zf", {complex64, complex64}},
};

// A format as printable text; it may hold any bytes.
std::string quoted(std::string_view format) {
  nb::object bytes = nb::bytes(format.data(), format.size());
  return nb::cast<std::string>(nb::repr(bytes)).substr(1);
}

// The dtype of elements with a format of the struct module, or why there is
// none. Throws if only their byte order is wrong.
std::variant<Dtype, std::string> dtype_of_format(std::string_view format,
                                                 Py_ssize_t itemsize,
                                                 const char* op) {
  constexpr std::string_view kOrders = "@=<>!";
  constexpr std::string_view kForeignOrders =
      std::endian::native == std::endian::little ? ">!" : "<";
  char order = format.empty() ? '\0' : format[0];
  bool has_order = order && kOrders.find(order) != kOrders.npos;
  bool is_foreign = order && kForeignOrders.find(order) != kOrders.npos;
  std::string_view letters = format.substr(has_order ? 1 : 0);
  for (const Meaning& meaning : kMeanings) {
    if (letters != meaning.letters) continue;
    for (Dtype dtype : meaning.dtypes) {
      if (dtype.size() != static_cast<size_t>(itemsize)) continue;
      if (!is_foreign || itemsize == 1) return dtype;
      throw TypeError(std::string("[") + op +
                      "] Elements in foreign byte order are not supported; "
                      "convert them first, in NumPy with "
                      "a.astype(a.dtype.newbyteorder('=')).");
    }
    return "Elements of format " + quoted(format) + " do not have " +
           std::to_string(itemsize) + " bytes, as the itemsize says.";
  }
  return "Elements of format " + quoted(format) +
         " are not supported; convert them first to a dtype that upsweep has, "
         "such as float64, complex64 or int64.";
}

// The format of a dtype, or nothing for bfloat16, which the struct module does
// not know. NumPy's int64 is a long if that has 64 bits.
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
// axes from the last to the first (row-major) or from the first to the last.
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

void append_buffer(std::vector<PyType_Slot>& slots) {
  slots.push_back({Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)});
  slots.push_back(
      {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)});
}

std::variant<Foreign, std::string> from_buffer(nb::handle h,
                                               std::optional<Dtype> dtype,
                                               const char* op) {
  std::unique_ptr<Py_buffer, ViewDeleter> view(new Py_buffer{});
  if (PyObject_GetBuffer(h.ptr(), view.get(), PyBUF_RECORDS_RO) < 0) {
    if (!PyErr_Occurred())
      malformed(op, "it has a buffer that it does not give");
    nb::raise_python_error();
  }
  const Py_buffer& v = *view;
  auto meaning = dtype_of_format(v.format ? v.format : "B", v.itemsize, op);
  if (auto* why_not = std::get_if<std::string>(&meaning)) return *why_not;
  Foreign memory = checked_memory(
      Description<Py_ssize_t>{v.buf, 0, v.ndim, v.shape, v.strides, 1},
      dtype.value_or(std::get<Dtype>(meaning)), op);
  for (int i = 0; v.suboffsets && i < v.ndim; ++i) {
    if (v.suboffsets[i] >= 0) {
      malformed(op, "suboffsets were not asked for");
    }
  }
  int64_t nbytes = v.itemsize;
  if (std::ranges::find(memory.shape, 0) != memory.shape.end()) nbytes = 0;
  for (int64_t extent : memory.shape) nbytes = nbytes ? nbytes * extent : 0;
  if (!v.strides && v.len != nbytes) {
    malformed(op, "len is " + std::to_string(v.len) + ", not " +
                      std::to_string(nbytes) + " as shape and itemsize say");
  }
  memory.owner = own(view.release(), [](void* object) {
    ViewDeleter()(static_cast<Py_buffer*>(object));
  });
  return memory;
}

}  // namespace upsweep::python
