// A callable that forwards to a nanobind function and adds what inspect, help
// and pickle need, a signature, a name and a module, and what users need: an
// error that says what is wrong with a call.
//
// nanobind's own functions know their signature but do not show it to inspect,
// and other extensions share their type, so it cannot be changed. A Python
// wrapper would work, at a cost that shows in small calls.
#include <cstddef>
#include <cstring>

#include "bindings.h"

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

namespace upsweep::python {

namespace {

struct Function {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* target;     // the nanobind function
  PyObject* parse;      // from the text of a signature to the signature
  PyObject* complaint;  // from a call that fits no signature to an error's text
  PyObject* signature;  // made on first use
  PyObject* references;  // weak ones, which jax.jit wants
};

Function* self_of(PyObject* self) { return reinterpret_cast<Function*>(self); }

// One entry of what the target says about its first overload: (signature,
// docstring, …).
PyObject* description(PyObject* self, Py_ssize_t part) {
  PyObject* all =
      PyObject_GetAttrString(self_of(self)->target, "__nb_signature__");
  if (!all) return nullptr;
  PyObject* first = PySequence_GetItem(all, 0);
  Py_DECREF(all);
  if (!first) return nullptr;
  PyObject* found = PySequence_GetItem(first, part);
  Py_DECREF(first);
  return found;
}

// The arguments of a vectorcall, as a tuple and a dict.
std::pair<nb::tuple, nb::dict> arguments(PyObject* const* args, size_t nargs,
                                         PyObject* names) {
  auto positional = static_cast<size_t>(PyVectorcall_NARGS(nargs));
  nb::list values;
  for (size_t i = 0; i < positional; ++i) values.append(nb::handle(args[i]));
  nb::dict named;
  if (names) {
    for (nb::handle name : nb::borrow<nb::tuple>(names)) {
      named[name] = nb::handle(args[positional++]);
    }
  }
  return {nb::tuple(values), named};
}

// Replaces nanobind's error, which lists types over several lines.
void explain_error(PyObject* self, PyObject* const* args, size_t nargs,
                   PyObject* names) {
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) return;
  nb::python_error error;
  if (!std::strstr(error.what(), "incompatible function arguments")) {
    error.restore();
    return;
  }
  try {
    auto [values, named] = arguments(args, nargs, names);
    nb::object text = nb::handle(self_of(self)->complaint)(
        nb::steal(description(self, 0)), values, named);
    PyErr_SetObject(PyExc_TypeError, text.ptr());
  } catch (nb::python_error& failure) {
    failure.restore();
  }
}

PyObject* call(PyObject* self, PyObject* const* args, size_t nargs,
               PyObject* names) {
  PyObject* result =
      PyObject_Vectorcall(self_of(self)->target, args, nargs, names);
  if (!result) explain_error(self, args, nargs, names);
  return result;
}

PyObject* get_doc(PyObject* self, void*) { return description(self, 1); }

PyObject* get_signature(PyObject* self, void*) {
  Function* f = self_of(self);
  if (!f->signature) {
    PyObject* text = description(self, 0);
    if (!text) return nullptr;
    f->signature = PyObject_CallFunctionObjArgs(f->parse, text, nullptr);
    Py_DECREF(text);
  }
  return Py_XNewRef(f->signature);
}

PyObject* get_from_target(PyObject* self, void* name) {
  return PyObject_GetAttrString(self_of(self)->target,
                                static_cast<const char*>(name));
}

PyObject* get_module(PyObject*, void*) {
  return PyUnicode_FromString("upsweep");
}

PyObject* repr(PyObject* self) {
  PyObject* name = get_from_target(self, const_cast<char*>("__qualname__"));
  if (!name) return nullptr;
  PyObject* text = PyUnicode_FromFormat("<function upsweep.%U>", name);
  Py_DECREF(name);
  return text;
}

// A bare name tells pickle to look the function up.
PyObject* reduce(PyObject* self, PyObject*) {
  return get_from_target(self, const_cast<char*>("__qualname__"));
}

// In a class it becomes a method, as a Python function does.
PyObject* bind(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) return Py_NewRef(self);
  PyObject* types = PyImport_ImportModule("types");
  if (!types) return nullptr;
  PyObject* bound =
      PyObject_CallMethod(types, "MethodType", "OO", self, instance);
  Py_DECREF(types);
  return bound;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self_of(self)->target);
  Py_VISIT(self_of(self)->parse);
  Py_VISIT(self_of(self)->complaint);
  Py_VISIT(self_of(self)->signature);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(self_of(self)->target);
  Py_CLEAR(self_of(self)->parse);
  Py_CLEAR(self_of(self)->complaint);
  Py_CLEAR(self_of(self)->signature);
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (self_of(self)->references) PyObject_ClearWeakRefs(self);
  clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(Function, vectorcall),
     Py_READONLY, nullptr},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Function, references),
     Py_READONLY, nullptr},
    {},
};

PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {},
};

PyGetSetDef properties[] = {
    {"__doc__", get_doc, nullptr, nullptr, nullptr},
    {"__signature__", get_signature, nullptr, nullptr, nullptr},
    {"__module__", get_module, nullptr, nullptr, nullptr},
    {"__name__", get_from_target, nullptr, nullptr,
     const_cast<char*>("__name__")},
    {"__qualname__", get_from_target, nullptr, nullptr,
     const_cast<char*>("__qualname__")},
    {},
};

template <class F>
void* slot(F* f) {
  return reinterpret_cast<void*>(f);
}

PyType_Slot slots[] = {
    {Py_tp_call, slot(PyVectorcall_Call)},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_repr, slot(repr)},
    {Py_tp_descr_get, slot(bind)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear)},
    {Py_tp_dealloc, slot(dealloc)},
    {0, nullptr},
};

PyType_Spec spec = {
    "upsweep.function",
    static_cast<int>(sizeof(Function)),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
        Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

}  // namespace

void init_function(nb::module_& m) {
  nb::object type = nb::steal(PyType_FromSpec(&spec));
  if (!type.is_valid()) nb::raise_python_error();
  m.def(
      "described",
      [type](nb::object target, nb::object parse, nb::object complaint) {
        auto* f = PyObject_GC_New(Function,
                                  reinterpret_cast<PyTypeObject*>(type.ptr()));
        if (!f) nb::raise_python_error();
        f->vectorcall = call;
        f->target = target.release().ptr();
        f->parse = parse.release().ptr();
        f->complaint = complaint.release().ptr();
        f->signature = nullptr;
        f->references = nullptr;
        PyObject_GC_Track(f);
        return nb::steal(reinterpret_cast<PyObject*>(f));
      },
      nb::arg("function"), nb::arg("parse"), nb::arg("complaint"),
      nb::sig("def described(function: object, parse: object, complaint: "
              "object) -> object"),
      "The function as inspect, help and pickle want it: parse makes a "
      "signature of its text, and complaint the text of an error of a "
      "signature's text and the arguments that do not fit.");
}

}  // namespace upsweep::python
