// Tensors of a library that exchanges them by functions in C, as DLPack has
// them from version 1.3 on. They take less time than capsules and the questions
// that come with these, which shows in small calls.
#include "dlpack.h"

namespace upsweep::python {

namespace {

struct Header {
  uint32_t major, minor;
  const Header* older;
};

// Functions set a Python error where they do not return 0. No stream waits.
struct Exchange {
  static constexpr char kName[] = "dlpack_exchange_api";

  Header header;
  void* allocate;
  int (*from_object)(void* object, DLManagedTensorVersioned** out);
  int (*to_object)(DLManagedTensorVersioned* taken, void** out);
};

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

}  // namespace

array from_tensor(nb::handle tensor, const char* op) {
  DLManagedTensorVersioned* managed = nullptr;
  if (exchange_of(tensor, op).from_object(tensor.ptr(), &managed) != 0) {
    nb::raise_python_error();
  }
  std::shared_ptr<void> owner = own(managed);
  Foreign memory = from_managed(*managed, kMainMemory, op);
  memory.owner = std::move(owner);
  return adopt(std::move(memory), true, op);
}

nb::object to_tensor(array a, nb::handle like) {
  const Exchange& exchange = exchange_of(like, "to_tensor");
  const void* data = wait_for_data(a);
  auto* managed =
      to_managed<DLManagedTensorVersioned>(std::move(a), kMainMemory, data, 0);
  void* tensor = nullptr;
  if (exchange.to_object(managed, &tensor) != 0) nb::raise_python_error();
  return nb::steal(static_cast<PyObject*>(tensor));
}

void init_exchange(nb::module_& m) {
  m.def("from_tensor", &from_tensor, nb::arg().none(), nb::arg(),
        nb::sig("def from_tensor(tensor: object, op: str, /) -> array"), R"(
As :func:`from_dlpack`, of a tensor in main memory, by the C functions of its type. It
asks no questions: the caller knows that the tensor's bytes are its numbers. Errors
name op.)");
  m.def("to_tensor", &to_tensor, nb::arg(), nb::arg().none(),
        nb::sig("def to_tensor(a: array, like: object, /) -> Any"), R"(
A tensor of the library of like over an array's elements in main memory, once they are
computed. It may be written to, so the caller must have the only reference to the array.)");
}

}  // namespace upsweep::python
