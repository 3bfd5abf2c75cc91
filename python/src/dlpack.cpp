// DLPack, both ways, in its two forms: the versioned one says that arrays are
// read-only, the older one cannot, and its consumers must not write either.
#include <algorithm>
#include <memory>
#include <optional>

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

constexpr int32_t kCpu = 1, kCuda = 2, kPinned = 3;
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

// Where an array is, as DLPack has it.
DLDevice device_of(const array& a) {
  Device device = a.device();
  if (!has_own_memory(device.type)) return {kCpu, 0};
  return {kCuda, device.index};
}

template <class Managed>
nb::object to_capsule(const array& a, DLDevice device, const void* data,
                      bool copied) {
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
  managed.tensor = {const_cast<void*>(data),
                    device,
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

// The device that a consumer wants, which is that of the array or the CPU.
DLDevice wanted_device(const array& a, nb::handle device) {
  DLDevice own = device_of(a);
  if (device.is_none()) return own;
  auto type = nb::cast<int>(nb::int_(nb::object(device[0])));
  if (type == kCpu) return {kCpu, 0};
  if (type == own.type &&
      nb::cast<int>(nb::int_(nb::object(device[1]))) == own.id) {
    return own;
  }
  throw nb::buffer_error(
      "[__dlpack__] The array is on another device, and is copied to no other "
      "one than the CPU.");
}

// The address of the first element, for work of the consumer's stream: None is
// CUDA's default stream, which has the number 1, and -1 is for a consumer that
// orders its work itself.
const void* lend(const array& a, nb::handle stream) {
  int64_t number =
      stream.is_none() ? 1 : nb::cast<int64_t>(nb::int_(nb::borrow(stream)));
  if (number == 0 || number < -1) {
    throw std::invalid_argument(
        "[__dlpack__] stream must be None, -1, or a stream of CUDA other than "
        "0, which may mean two of them.");
  }
  auto* consumer =
      reinterpret_cast<void*>(static_cast<intptr_t>(number == -1 ? 0 : number));
  WithoutGil released;
  return a.device_data(consumer);
}

nb::object export_dlpack(const array& a, nb::handle stream,
                         nb::handle max_version, nb::handle device,
                         nb::handle copy) {
  DLDevice wanted = wanted_device(a, device);
  if (wanted.type == kCpu && !stream.is_none()) {
    throw std::invalid_argument(
        "[__dlpack__] stream must be None for an array in the CPU's memory.");
  }
  // Consumers differ over negative strides, and some abort the process.
  const Strides& strides = a.strides();
  bool copied = std::any_of(strides.begin(), strides.end(),
                            [](int64_t stride) { return stride < 0; });
  if (!copy.is_none()) {
    bool asked = to_bool(copy, "__dlpack__", "copy");
    if (copied && !asked) {
      throw nb::buffer_error(
          "[__dlpack__] copy=False, but an array with negative strides is "
          "copied.");
    }
    copied = asked;
  }
  array source = copied ? upsweep::copy(a, a.device()) : a;
  const void* data =
      wanted.type == kCpu ? wait_for_data(source) : lend(source, stream);
  bool versioned = !max_version.is_none() &&
                   nb::cast<int>(nb::int_(nb::object(max_version[0]))) >= 1;
  return versioned ? to_capsule<DLManagedTensorVersioned>(source, wanted, data,
                                                          copied)
                   : to_capsule<DLManagedTensor>(source, wanted, data, copied);
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
                 Strides(static_cast<size_t>(t.ndim)),
                 dtype,
                 nullptr,
                 std::nullopt};
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

// The stream that is to read the producer's memory, where that is a GPU's;
// nothing where it is the CPU's.
std::optional<Stream> reading_stream(nb::handle h, const char* op) {
  if (!nb::hasattr(h, "__dlpack_device__")) return std::nullopt;
  nb::object device = h.attr("__dlpack_device__")();
  int type = nb::cast<int>(nb::int_(nb::object(device[0])));
  if (type == kCpu || type == kPinned) return std::nullopt;
  Device gpu{DeviceType::gpu, nb::cast<int>(nb::int_(nb::object(device[1])))};
  if (type == kCuda && has_own_memory(gpu.type) && is_available(gpu)) {
    return default_stream(gpu);
  }
  std::string text = std::string("[") + op +
                     "] The array is on a device that upsweep does not use; "
                     "copy it to the CPU first.";
  throw nb::buffer_error(text.c_str());
}

// Versions of the protocol know more keywords than others.
nb::object ask_for_capsule(nb::handle h, nb::kwargs keywords) {
  nb::object producer = h.attr("__dlpack__");
  nb::dict newer;
  newer.update(keywords);
  newer["max_version"] = nb::make_tuple(1, 0);
  try {
    return producer(**newer);
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_TypeError)) throw;
    return producer(**keywords);
  }
}

}  // namespace

Foreign from_dlpack(nb::handle h, const char* op) {
  std::optional<Stream> stream = reading_stream(h, op);
  nb::dict keywords;
  if (stream) {
    keywords["stream"] = reinterpret_cast<intptr_t>(native_stream(*stream));
  }
  nb::object capsule = ask_for_capsule(h, nb::borrow<nb::kwargs>(keywords));
  Foreign memory =
      PyCapsule_IsValid(capsule.ptr(), DLManagedTensorVersioned::kName)
          ? from_capsule<DLManagedTensorVersioned>(capsule, op)
          : from_capsule<DLManagedTensor>(capsule, op);
  memory.stream = stream;
  return memory;
}

void bind_dlpack(ArrayClass& c) {
  c.def(
      "__dlpack__", &export_dlpack, nb::kw_only(),
      nb::arg("stream") = nb::none(), nb::arg("max_version") = nb::none(),
      nb::arg("dl_device") = nb::none(), nb::arg("copy") = nb::none(),
      nb::sig("def __dlpack__(self, *, stream: None | int = None, max_version: "
              "None | tuple[int, int] = None, dl_device: None | tuple[int, "
              "int] = None, copy: None | bool = None) -> Any"),
      R"(
A DLPack capsule over the array's memory, which consumers must not write to;
with copy=True, or where strides are negative, over a copy that is theirs.

Args:
    stream: For an array in the memory of a GPU, the consumer's stream of CUDA,
        which waits for the array; -1 has this call wait instead.
    dl_device: Where the memory is to be: the CPU, or where it is.

Raises:
    BufferError: dl_device is neither, or copy is False and strides are negative.
    ValueError: stream is given for an array in the CPU's memory, or is 0.)");
  c.def(
      "__dlpack_device__",
      [](const array& a) {
        DLDevice device = device_of(a);
        return nb::make_tuple(device.type, device.id);
      },
      nb::sig("def __dlpack_device__(self) -> tuple[int, int]"),
      "The DLPack number of the kind of device that has the array's memory, "
      "the "
      "CPU's or CUDA's, and the device's index.");
}

}  // namespace upsweep::python
