// DLPack, both ways, in its two forms: the versioned one says that arrays are
// read-only, the older one cannot, and its consumers must not write either.
#include <algorithm>
#include <memory>

#include "bindings.h"

namespace upsweep::python {

namespace {

// The structures of the DLPack specification, version 1.0.
struct DLDevice {
  int32_t type;
  int32_t id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  static constexpr char kName[] = "dltensor";
  static constexpr char kUsedName[] = "used_dltensor";

  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  static constexpr char kName[] = "dltensor_versioned";
  static constexpr char kUsedName[] = "used_dltensor_versioned";

  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

constexpr int32_t kCpu = 1, kPinned = 3;
constexpr uint64_t kReadOnly = 1, kIsCopied = 2;
enum Code : uint8_t { kInt, kUInt, kFloat, kBfloat = 4, kComplex, kBool };

DLDataType to_dl(Dtype dtype) {
  auto bits = static_cast<uint8_t>(8 * dtype.size());
  if (dtype == bfloat16) return {kBfloat, bits, 1};
  switch (dtype.kind()) {
    case Dtype::Kind::bool_:
      return {kBool, bits, 1};
    case Dtype::Kind::uint:
      return {kUInt, bits, 1};
    case Dtype::Kind::sint:
      return {kInt, bits, 1};
    case Dtype::Kind::real:
      return {kFloat, bits, 1};
    default:
      return {kComplex, bits, 1};
  }
}

Dtype from_dl(DLDataType wanted, const char* op) {
  for (int i = 0; i <= static_cast<int>(Dtype::Val::complex64); ++i) {
    Dtype dtype{static_cast<Dtype::Val>(i)};
    DLDataType dl = to_dl(dtype);
    if (dl.code == wanted.code && dl.bits == wanted.bits && wanted.lanes == 1) {
      return dtype;
    }
  }
  const char* kinds[] = {"int",    "uint",    "float", "opaque",
                         "bfloat", "complex", "bool"};
  std::string kind = wanted.code < std::size(kinds) ? kinds[wanted.code]
                                                    : "low-precision float";
  unsupported_dtype(kind + std::to_string(wanted.bits), op);
}

// Out. What a capsule points at: the managed tensor and what it refers to.
template <class Managed>
struct Exported {
  array source;
  Strides strides;
  Managed managed;
};

template <class Managed>
void close_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, Managed::kName)) return;  // it was used
  auto* managed =
      static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::kName));
  managed->deleter(managed);
}

template <class Managed>
nb::object to_capsule(const array& a, bool copied) {
  auto exported = std::make_unique<Exported<Managed>>(
      Exported<Managed>{a, a.strides(), {}});
  Managed& managed = exported->managed;
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    managed.major = 1;
    managed.minor = 0;
    managed.flags = copied ? kIsCopied : kReadOnly;
  }
  managed.context = exported.get();
  managed.deleter = [](Managed* m) {
    delete static_cast<Exported<Managed>*>(m->context);
  };
  managed.tensor = {const_cast<void*>(a.raw_data()),
                    {kCpu, 0},
                    a.ndim(),
                    to_dl(a.dtype()),
                    const_cast<int64_t*>(exported->source.shape().data()),
                    exported->strides.data(),
                    0};
  PyObject* capsule =
      PyCapsule_New(&managed, Managed::kName, close_capsule<Managed>);
  if (!capsule) nb::raise_python_error();
  exported.release();
  return nb::steal(capsule);
}

nb::object export_dlpack(const array& a, nb::handle stream,
                         nb::handle max_version, nb::handle device,
                         nb::handle copy) {
  if (!stream.is_none()) {
    throw std::invalid_argument(
        "[__dlpack__] stream must be None for an array in the CPU's memory.");
  }
  if (!device.is_none() &&
      nb::cast<int>(nb::int_(nb::object(device[0]))) != kCpu) {
    throw nb::buffer_error(
        "[__dlpack__] The array is in the CPU's memory and is not copied "
        "elsewhere.");
  }
  // Consumers differ over negative strides, and some abort the process.
  const Strides& strides = a.strides();
  bool copied = std::any_of(strides.begin(), strides.end(),
                            [](int64_t stride) { return stride < 0; });
  if (!copy.is_none()) {
    bool wanted = to_bool(copy, "__dlpack__", "copy");
    if (copied && !wanted) {
      throw nb::buffer_error(
          "[__dlpack__] copy=False, but an array with negative strides is "
          "copied.");
    }
    copied = wanted;
  }
  array source = copied ? upsweep::copy(a) : a;
  wait(source);
  bool versioned = !max_version.is_none() &&
                   nb::cast<int>(nb::int_(nb::object(max_version[0]))) >= 1;
  return versioned ? to_capsule<DLManagedTensorVersioned>(source, copied)
                   : to_capsule<DLManagedTensor>(source, copied);
}

// In.
template <class Managed>
Foreign from_capsule(nb::handle capsule, const char* op) {
  auto* managed = static_cast<Managed*>(
      PyCapsule_GetPointer(capsule.ptr(), Managed::kName));
  if (!managed) nb::raise_python_error();
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    if (managed->major > 1) {
      throw nb::buffer_error("The DLPack version of the array is too new.");
    }
  }
  const DLTensor& t = managed->tensor;
  Dtype dtype = from_dl(t.dtype, op);
  Foreign memory{static_cast<const char*>(t.data) + t.byte_offset,
                 Shape(t.shape, t.shape + t.ndim),
                 Strides(static_cast<size_t>(t.ndim)), dtype, nullptr};
  auto step = static_cast<int64_t>(dtype.size());
  for (size_t i = memory.shape.size(); i-- > 0;) {
    memory.byte_strides[i] =
        t.strides ? t.strides[i] * static_cast<int64_t>(dtype.size()) : step;
    step *= memory.shape[i];
  }
  PyCapsule_SetName(capsule.ptr(), Managed::kUsedName);  // it is ours now
  memory.owner = own(managed, [](void* object) {
    auto* tensor = static_cast<Managed*>(object);
    if (tensor->deleter) tensor->deleter(tensor);
  });
  return memory;
}

void check_device(nb::handle h, const char* op) {
  if (!nb::hasattr(h, "__dlpack_device__")) return;
  nb::object device = h.attr("__dlpack_device__")();
  int type = nb::cast<int>(nb::int_(nb::object(device[0])));
  if (type == kCpu || type == kPinned) return;
  std::string text = std::string("[") + op +
                     "] The array is on another device than the CPU; copy it "
                     "to the CPU first.";
  throw nb::buffer_error(text.c_str());
}

}  // namespace

Foreign from_dlpack(nb::handle h, const char* op) {
  check_device(h, op);
  nb::object producer = h.attr("__dlpack__"), capsule;
  try {
    capsule = producer(nb::arg("max_version") = nb::make_tuple(1, 0));
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_TypeError)) throw;
    capsule = producer();  // older than versions
  }
  if (PyCapsule_IsValid(capsule.ptr(), DLManagedTensorVersioned::kName)) {
    return from_capsule<DLManagedTensorVersioned>(capsule, op);
  }
  return from_capsule<DLManagedTensor>(capsule, op);
}

void bind_dlpack(ArrayClass& c) {
  c.def("__dlpack__", &export_dlpack, nb::kw_only(),
        nb::arg("stream") = nb::none(), nb::arg("max_version") = nb::none(),
        nb::arg("dl_device") = nb::none(), nb::arg("copy") = nb::none(),
        nb::sig("def __dlpack__(self, *, stream: None = None, max_version: "
                "None | tuple[int, int] = None, dl_device: None | tuple[int, "
                "int] = None, copy: None | bool = None) -> Any"),
        R"(
A DLPack capsule over the array's memory, which consumers must not write to;
with copy=True, or where strides are negative, over a copy that is theirs.

Raises:
    BufferError: dl_device is not the CPU, or copy is False and strides are
        negative.
    ValueError: stream is not None.)");
  c.def(
      "__dlpack_device__", [](const array&) { return nb::make_tuple(kCpu, 0); },
      nb::sig("def __dlpack_device__(self) -> tuple[int, int]"),
      "The DLPack number of the CPU, and 0.");
}

}  // namespace upsweep::python
