// Tensors of a library that exchanges them by functions in C, as DLPack has
// them from version 1.3 on. They take less time than capsules and the questions
// that come with these, which shows in small calls.
#include "exchange.h"

#include "dlpack.h"

namespace upsweep::python {

namespace {

struct Header {
  uint32_t major, minor;
  const Header* older;
};

using SetError = void (*)(void* context, const char* kind, const char* message);

void fail_to_allocate(void* context, const char*, const char* message) {
  *static_cast<std::string*>(context) = message;
}

bool is_usable(DLDevice device) {
  return device.type == kGpuMemory && has_own_memory(DeviceType::gpu) &&
         is_available({DeviceType::gpu, device.id});
}

// What CUDA calls the stream that has no handle.
void* const kLegacyStream = reinterpret_cast<void*>(1);

}  // namespace

// Functions set a Python error where they do not return 0; the first one says
// what is wrong. No stream waits.
struct Exchange {
  static constexpr char kName[] = "dlpack_exchange_api";

  Header header;
  int (*allocate)(DLTensor* like, DLManagedTensorVersioned** out, void* context,
                  SetError set_error);
  int (*from_object)(void* object, DLManagedTensorVersioned** out);
  int (*to_object)(DLManagedTensorVersioned* taken, void** out);
  void* view;  // unused: what it gives keeps no reference
  int (*current_stream)(int32_t device_type, int32_t device, void** out);
};

// A managed tensor, and what calls its deleter.
struct Taken {
  const DLManagedTensorVersioned& managed;
  std::shared_ptr<void> owner;
};

namespace {

// That of the type of a tensor: its functions take no other object.
const Exchange& exchange_of(nb::handle tensor, const char* op) {
  static PyObject* const name =
      PyUnicode_InternFromString("__dlpack_c_exchange_api__");
  nb::object capsule = nb::steal(PyObject_GetAttr(
      reinterpret_cast<PyObject*>(Py_TYPE(tensor.ptr())), name));
  if (!capsule.is_valid()) {
    PyErr_Clear();
  } else if (PyCapsule_IsValid(capsule.ptr(), Exchange::kName)) {
    auto* header = static_cast<const Header*>(
        PyCapsule_GetPointer(capsule.ptr(), Exchange::kName));
    while (header && header->major != 1) header = header->older;
    if (header) return *reinterpret_cast<const Exchange*>(header);
  }
  throw TypeError(std::string("[") + op + "] " + type_of(tensor) +
                  " has no __dlpack_c_exchange_api__ of version 1.");
}

Taken take(const Exchange& exchange, nb::handle tensor) {
  DLManagedTensorVersioned* managed = nullptr;
  if (exchange.from_object(tensor.ptr(), &managed) != 0) {
    nb::raise_python_error();
  }
  return {*managed, own(managed)};
}

array in_main_memory(Taken taken, const char* op) {
  Foreign memory = from_managed(taken.managed, kMainMemory, op);
  memory.owner = std::move(taken.owner);
  return adopt(std::move(memory), true, op);
}

nb::object to_object(const Exchange& exchange,
                     DLManagedTensorVersioned* taken) {
  void* tensor = nullptr;
  if (exchange.to_object(taken, &tensor) != 0) nb::raise_python_error();
  return nb::steal(static_cast<PyObject*>(tensor));
}

nb::object to_tensor(const Exchange& exchange, array a) {
  const void* data = wait_for_data(a);
  return to_object(exchange, to_managed<DLManagedTensorVersioned>(
                                 std::move(a), kMainMemory, data, 0));
}

}  // namespace

TensorCall::TensorCall(nb::handle first, const char* op)
    : exchange_(exchange_of(first, op)), op_(op) {
  Taken taken = take(exchange_, first);
  DLDevice device = taken.managed.tensor.device;
  if (is_usable(device)) {
    device_ = {DeviceType::gpu, device.id};
    like_ = &taken.managed;
    if (exchange_.current_stream(kGpuMemory, device_->index, &native_) != 0) {
      nb::raise_python_error();
    }
    if (!native_) native_ = kLegacyStream;
    stream_ = wrap_native_stream(*device_, native_);
  }
  first_ = adopted(std::move(taken));
}

void TensorCall::allocate() {
  DLTensor like = like_->tensor;
  like.data = nullptr;
  like.strides = nullptr;
  like.byte_offset = 0;
  std::string why;
  if (exchange_.allocate(&like, &result_, &why, fail_to_allocate) != 0) {
    PyErr_Clear();
    throw OutOfMemory(std::string("[") + op_ + "] " + why);
  }
}

TensorCall::~TensorCall() {
  if (result_ && result_->deleter) result_->deleter(result_);
}

array TensorCall::operand(nb::handle tensor) {
  return adopted(take(exchange_, tensor));
}

array TensorCall::adopted(Taken taken) {
  if (!device_) return in_main_memory(std::move(taken), op_);
  Foreign memory = from_managed(
      taken.managed, {kGpuMemory, static_cast<int32_t>(device_->index)}, op_);
  memory.stream = stream_;
  taken_.push_back(std::move(taken.owner));
  return adopt(std::move(memory), true, op_);
}

ResultMemory TensorCall::into() const {
  if (!device_) return {};
  return {static_cast<std::byte*>(result_->tensor.data),
          static_cast<size_t>(first_->size()) * first_->dtype().size()};
}

nb::object TensorCall::finish(array out) {
  if (out.dtype() != first_->dtype()) {
    throw TypeError(std::string("[") + op_ + "] The result is " +
                    out.dtype().name() + ", but the first tensor " +
                    first_->dtype().name() + "; convert it first.");
  }
  if (!device_) return to_tensor(exchange_, std::move(out));
  if (out.size() != 0) {
    WithoutGil released;
    out.device_data(native_);
  }
  return to_object(exchange_, std::exchange(result_, nullptr));
}

}  // namespace upsweep::python
