// The buffer protocol, both ways.
#include <array>
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

// What the letters of a format mean: a kind, and the sizes that it can have.
// A long has either, for some exporters give it the size of this machine where
// the format says that of all machines.
struct Meaning {
  const char* letters;
  Dtype::Kind kind;
  std::array<Py_ssize_t, 2> sizes;
};
constexpr Meaning kMeanings[] = {
    {"?", Dtype::Kind::bool_, {1, 1}},    {"b", Dtype::Kind::sint, {1, 1}},
    {"B", Dtype::Kind::uint, {1, 1}},     {"h", Dtype::Kind::sint, {2, 2}},
    {"H", Dtype::Kind::uint, {2, 2}},     {"i", Dtype::Kind::sint, {4, 4}},
    {"I", Dtype::Kind::uint, {4, 4}},     {"l", Dtype::Kind::sint, {4, 8}},
    {"L", Dtype::Kind::uint, {4, 8}},     {"q", Dtype::Kind::sint, {8, 8}},
    {"Q", Dtype::Kind::uint, {8, 8}},     {"n", Dtype::Kind::sint, {4, 8}},
    {"N", Dtype::Kind::uint, {4, 8}},     {"e", Dtype::Kind::real, {2, 2}},
    {"f", Dtype::Kind::real, {4, 4}},     {"d", Dtype::Kind::real, {8, 8}},
    {"Zf", Dtype::Kind::complex, {8, 8}}, {"F", Dtype::Kind::complex, {8, 8}},
};

Dtype dtype_of(Dtype::Kind kind, Py_ssize_t size) {
  for (Dtype dtype : {bool_, uint8, uint16, uint32, uint64, int8, int16, int32,
                      int64, float16, float32, float64}) {
    if (dtype.kind() == kind && dtype.size() == static_cast<size_t>(size)) {
      return dtype;
    }
  }
  return complex64;
}

// The dtype of elements of a format of the struct module, or why they have
// none. Throws where it is only their byte order.
std::variant<Dtype, std::string> dtype_of_format(const std::string& format,
                                                 Py_ssize_t itemsize,
                                                 const char* op) {
  bool has_order = !format.empty() &&
                   std::string("@=<>!").find(format[0]) != std::string::npos;
  bool is_little = std::endian::native == std::endian::little;
  bool is_foreign =
      has_order &&
      std::string(is_little ? ">!" : "<").find(format[0]) != std::string::npos;
  std::string letters = format.substr(has_order ? 1 : 0);
  for (const Meaning& meaning : kMeanings) {
    if (letters != meaning.letters) continue;
    if (itemsize != meaning.sizes[0] && itemsize != meaning.sizes[1]) {
      return "Elements of format '" + format + "' have " +
             std::to_string(meaning.sizes[0]) + " bytes, but the itemsize is " +
             std::to_string(itemsize) + ".";
    }
    if (is_foreign && itemsize > 1) {
      throw TypeError(std::string("[") + op +
                      "] Elements in foreign byte order are not supported; "
                      "convert them first, in NumPy with "
                      "a.astype(a.dtype.newbyteorder('=')).");
    }
    return dtype_of(meaning.kind, itemsize);
  }
  return "Elements of format '" + format +
         "' are not supported; convert them first to a dtype that upsweep has, "
         "such as float64, complex64 or int64.";
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

std::variant<Foreign, std::string> from_buffer(nb::handle h,
                                               std::optional<Dtype> dtype,
                                               const char* op) {
  std::unique_ptr<Py_buffer, ViewDeleter> view(new Py_buffer{});
  if (PyObject_GetBuffer(h.ptr(), view.get(), PyBUF_RECORDS_RO) < 0) {
    nb::raise_python_error();
  }
  const Py_buffer& v = *view;
  auto meaning = dtype_of_format(v.format ? v.format : "B", v.itemsize, op);
  if (auto* why_not = std::get_if<std::string>(&meaning)) return *why_not;
  for (int i = 0; v.suboffsets && i < v.ndim; ++i) {
    if (v.suboffsets[i] >= 0) {
      malformed(op, "suboffsets were not asked for");
    }
  }
  Foreign memory = checked_memory(
      Description<Py_ssize_t>{v.buf, 0, v.ndim, v.shape, v.strides, 1},
      dtype.value_or(std::get<Dtype>(meaning)), op);
  Py_ssize_t nbytes = v.itemsize;
  for (int64_t extent : memory.shape) nbytes *= extent;
  if (!v.strides && v.len != nbytes) {
    malformed(op, "len is " + std::to_string(v.len) +
                      ", and shape and itemsize "
                      "make " +
                      std::to_string(nbytes));
  }
  memory.owner = own(view.release(), [](void* object) {
    ViewDeleter()(static_cast<Py_buffer*>(object));
  });
  return memory;
}

}  // namespace upsweep::python
