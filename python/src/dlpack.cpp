// DLPack, both ways, in its two forms: the versioned one says that arrays are
// read-only, the older one cannot, and its consumers must not write either.
#include <algorithm>
#include <memory>
#include <optional>

#include "dlpack.h"

namespace upsweep::python {

namespace {

constexpr int32_t kCpu = kMainMemory.type, kCuda = kGpuMemory, kPinned = 3;
enum Code : uint8_t { kInt, kUInt, kFloat, kBfloat = 4, kComplex, kBool };

// Whether the CPU can read the memory.
bool is_main_memory(int64_t device_type) {
  return device_type == kCpu || device_type == kPinned;
}

// The capsule must name the same device as its producer did.
void check_device(DLDevice said, DLDevice expected, const char* op) {
  bool agrees = expected.type == kCpu
                    ? is_main_memory(said.type)
                    : said.type == expected.type && said.id == expected.id;
  if (!agrees) {
    malformed(op, "the capsule's device is (" + std::to_string(said.type) +
                      ", " + std::to_string(said.id) +
                      "), and that of the array (" +
                      std::to_string(expected.type) + ", " +
                      std::to_string(expected.id) + ")");
  }
}

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
  kind += std::to_string(wanted.bits);
  if (wanted.lanes != 1) {
    kind += " in vectors of " + std::to_string(wanted.lanes) + " lanes";
  }
  unsupported_dtype(kind, op);
}

// Export. What a capsule points at: the managed tensor and what it refers to.
template <class Managed>
struct Exported {
  array source;
  Managed managed;
};

template <class Managed>
void close_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, Managed::kName)) return;  // it was used
  auto* managed =
      static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::kName));
  managed->deleter(managed);
}

// Where an array is, in DLPack's terms.
DLDevice device_of(const array& a) {
  Device device = a.device();
  if (!has_own_memory(device.type)) return kMainMemory;
  return {kCuda, device.index};
}

template <class Managed>
nb::object to_capsule(const array& a, DLDevice device, const void* data,
                      uint64_t flags) {
  auto* managed = to_managed<Managed>(a, device, data, flags);
  PyObject* capsule =
      PyCapsule_New(managed, Managed::kName, close_capsule<Managed>);
  if (!capsule) {
    managed->deleter(managed);
    nb::raise_python_error();
  }
  return nb::steal(capsule);
}

// The device that a consumer wants, which is that of the array or the CPU.
DLDevice wanted_device(const array& a, nb::handle device) {
  DLDevice own = device_of(a);
  if (device.is_none()) return own;
  auto [type, id] = to_pair(device, "__dlpack__", "dl_device");
  if (type == kCpu) return kMainMemory;
  if (type == own.type && id == own.id) return own;
  throw nb::buffer_error(
      "[__dlpack__] dl_device is neither the CPU nor the device of the array.");
}

// The address of the first element, for work on the consumer's stream: None is
// CUDA's default stream, number 1, and -1 is for a consumer that orders its
// work itself.
const void* export_pointer(const array& a, nb::handle stream) {
  int64_t number =
      stream.is_none() ? 1 : to_int64(stream, "__dlpack__", "stream");
  if (number == 0 || number < -1) {
    throw std::invalid_argument(
        "[__dlpack__] stream must be None, -1 or a CUDA stream; 0 is ambiguous "
        "(1 "
        "is the legacy default stream, 2 the one of the thread).");
  }
  auto* consumer =
      reinterpret_cast<void*>(static_cast<intptr_t>(number == -1 ? 0 : number));
  WithoutGil released;
  return a.device_data(consumer);
}

nb::object export_dlpack(const array& a, nb::handle stream,
                         nb::handle max_version, nb::handle device,
                         nb::handle copy) {
  bool versioned = false;
  if (!max_version.is_none()) {
    int64_t major = to_pair(max_version, "__dlpack__", "max_version").first;
    if (major < 0) {
      throw std::invalid_argument(
          "[__dlpack__] max_version must not be negative.");
    }
    versioned = major >= 1;
  }
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
    // Not whether the CPU has read it before, which leaves bytes in main memory
    // too: what a call does must not depend on that.
    if (!asked && wanted.type != device_of(a).type) {
      throw nb::buffer_error(
          "[__dlpack__] copy=False, but an array in a GPU's memory is copied "
          "to the CPU's.");
    }
    copied = asked;
  }
  array source = copied ? upsweep::copy(a, a.device()) : a;
  const void* data = wanted.type == kCpu ? wait_for_data(source)
                                         : export_pointer(source, stream);
  uint64_t flags = copied ? kIsCopied : kReadOnly;
  return versioned
             ? to_capsule<DLManagedTensorVersioned>(source, wanted, data, flags)
             : to_capsule<DLManagedTensor>(source, wanted, data, flags);
}

// Import.
//
// The capsule owns the tensor until its name is changed, so a refused one leaks
// nothing.
template <class Managed>
Foreign from_capsule(nb::handle capsule, DLDevice device, const char* op) {
  auto* managed = static_cast<Managed*>(
      PyCapsule_GetPointer(capsule.ptr(), Managed::kName));
  if (!managed) nb::raise_python_error();
  Foreign memory = from_managed(*managed, device, op);
  PyCapsule_SetName(capsule.ptr(), Managed::kUsedName);  // it is ours now
  memory.owner = own(managed);
  return memory;
}

[[noreturn]] void wrong_device(const char* op) {
  std::string text = std::string("[") + op +
                     "] The array is on a device that upsweep does not use; "
                     "copy it to the CPU first.";
  throw nb::buffer_error(text.c_str());
}

// The stream that will read the producer's memory if it is a GPU's; nothing if
// it is the CPU's.
std::optional<Stream> reading_stream(nb::handle h, const char* op) {
  if (!nb::hasattr(h, "__dlpack_device__")) return std::nullopt;
  auto [type, id] =
      to_pair(h.attr("__dlpack_device__")(), op, "__dlpack_device__()");
  if (is_main_memory(type)) return std::nullopt;
  Device gpu{DeviceType::gpu, static_cast<int>(id)};
  if (type != kCuda || id != gpu.index || !has_own_memory(gpu.type) ||
      !is_available(gpu)) {
    wrong_device(op);
  }
  return default_stream(gpu);
}

// A producer that does not know a keyword raises one of these errors.
bool refuses_keyword(const nb::python_error& e) {
  return e.matches(PyExc_TypeError) || e.matches(PyExc_ValueError) ||
         e.matches(PyExc_NotImplementedError);
}

// Newer versions of the protocol have more keywords.
nb::object ask_for_capsule(nb::handle h, nb::kwargs keywords) {
  nb::object producer = h.attr("__dlpack__");
  nb::dict newer;
  newer.update(keywords);
  newer["max_version"] = nb::make_tuple(1, 0);
  try {
    return producer(**newer);
  } catch (nb::python_error& e) {
    if (!refuses_keyword(e)) throw;
  }
  return producer(**keywords);
}

// PyTorch defers the negation and conjugation of a tensor, and would hand over
// the numbers before that. Returns any other object unchanged.
nb::object resolved(nb::handle h, bool may_copy, const char* op) {
  nb::object tensor = nb::borrow(h);
  if (!nb::hasattr(tensor, "resolve_neg")) return tensor;
  for (auto [is, resolve] :
       {std::pair{"is_neg", "resolve_neg"}, {"is_conj", "resolve_conj"}}) {
    if (!nb::hasattr(tensor, is) || !nb::hasattr(tensor, resolve)) continue;
    if (PyObject_IsTrue(nb::object(tensor.attr(is)()).ptr()) != 1) continue;
    if (!may_copy) {
      throw NeedsCopy(op, std::string("the tensor has yet to be ") +
                              (resolve[8] == 'n' ? "negated" : "conjugated") +
                              ", which " + resolve + "() does");
    }
    tensor = tensor.attr(resolve)();
  }
  return tensor;
}

}  // namespace

template <class Managed>
Managed* to_managed(array a, DLDevice device, const void* data,
                    uint64_t flags) {
  auto* exported = new Exported<Managed>{std::move(a), {}};
  const array& source = exported->source;
  Managed& managed = exported->managed;
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    managed.major = 1;
    managed.minor = 0;
    managed.flags = flags;
  }
  managed.context = exported;
  managed.deleter = [](Managed* m) {
    delete static_cast<Exported<Managed>*>(m->context);
  };
  managed.tensor = {const_cast<void*>(data),
                    device,
                    source.ndim(),
                    to_dl(source.dtype()),
                    const_cast<int64_t*>(source.shape().data()),
                    const_cast<int64_t*>(source.strides().data()),
                    0};
  return &managed;
}

template <class Managed>
Foreign from_managed(const Managed& managed, DLDevice device, const char* op) {
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    if (managed.major > 1) {
      malformed(op, "its version of DLPack is " +
                        std::to_string(managed.major) +
                        ", and versions up to 1 are known");
    }
  }
  const DLTensor& t = managed.tensor;
  check_device(t.device, device, op);
  Dtype dtype = from_dl(t.dtype, op);
  return checked_memory(
      Description<int64_t>{t.data, t.byte_offset, t.ndim, t.shape, t.strides,
                           static_cast<int64_t>(dtype.size())},
      dtype, op);
}

template DLManagedTensorVersioned* to_managed(array, DLDevice, const void*,
                                              uint64_t);
template Foreign from_managed(const DLManagedTensorVersioned&, DLDevice,
                              const char*);

Foreign from_dlpack(nb::handle h, bool may_copy, const char* op) {
  nb::object producer = resolved(h, may_copy, op);
  std::optional<Stream> stream = reading_stream(producer, op);
  DLDevice device = kMainMemory;
  nb::dict keywords;
  // PyTorch exports only what is on its current device.
  std::optional<CurrentDevice> current;
  if (stream) {
    current.emplace(stream->device);
    keywords["stream"] = reinterpret_cast<intptr_t>(native_stream(*stream));
    device = {kCuda, stream->device.index};
  }
  nb::object capsule =
      ask_for_capsule(producer, nb::borrow<nb::kwargs>(keywords));
  auto is = [&](const char* name) {
    return PyCapsule_IsValid(capsule.ptr(), name) == 1;
  };
  if (!is(DLManagedTensor::kName) && !is(DLManagedTensorVersioned::kName)) {
    throw TypeError(std::string("[") + op + "] __dlpack__ of " +
                    type_of(producer) +
                    " must return an unused capsule of DLPack, not " +
                    nb::cast<std::string>(nb::repr(capsule)) + ".");
  }
  Foreign memory =
      is(DLManagedTensorVersioned::kName)
          ? from_capsule<DLManagedTensorVersioned>(capsule, device, op)
          : from_capsule<DLManagedTensor>(capsule, device, op);
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
A DLPack capsule over the array's memory, which consumers must not write to.
With copy=True or negative strides it holds a copy, which they may write to.

Args:
    stream: For an array in a GPU's memory, the consumer's CUDA stream, which
        waits for the array; with -1 this call waits instead.
    dl_device: Where the memory should be: on the CPU, or where it is.

Raises:
    BufferError: dl_device is another device, or copy is False and either strides are
        negative or the array is in a GPU's memory and dl_device is the CPU.
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
