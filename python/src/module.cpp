// The extension module: registers what the other files bind.
#include "bindings.h"

namespace upsweep::python {
namespace {

// Types and streams belong to the process: a second set would not equal the
// first. So a module that is made again, after its removal from sys.modules,
// gets the contents of the first, and another interpreter gets an error.
PyObject* first_module = nullptr;
int64_t first_interpreter = -1;

int64_t this_interpreter() {
  return PyInterpreterState_GetID(PyInterpreterState_Get());
}

}  // namespace
}  // namespace upsweep::python

NB_MODULE(_core_once, m) {
  using namespace upsweep::python;
  if (first_module) {
    m.attr("__dict__")
        .attr("update")(nb::handle(first_module).attr("__dict__"));
    return;
  }
  first_module = nb::borrow(m).release().ptr();
#ifdef NDEBUG
  nb::set_leak_warnings(false);  // arrays may outlive the module at exit
#endif
  nb::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const upsweep::TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    }
  });
  m.doc() = "The bindings of upsweep; use them through the package.";
  m.attr("__version__") = upsweep::version();
  init_releases();
  init_dtype(m);
  init_device(m);
  init_array(m);
  init_convert(m);
  init_tensors(m);
  init_views(m);
  init_ops(m);
  init_scan(m);
  init_carry(m);
  init_general_scan(m);
  init_recurrence(m);
  init_gradient(m);
  init_memory(m);
  init_function(m);
  init_print(m);
}

// Runs before nanobind prepares for a module, which would take the types away
// from the interpreter that has them.
extern "C" NB_EXPORT PyObject* PyInit__core() {
  using namespace upsweep::python;
  if (first_interpreter == -1) first_interpreter = this_interpreter();
  if (first_interpreter == this_interpreter()) return PyInit__core_once();
  PyErr_SetString(PyExc_ImportError,
                  "upsweep is loaded in another interpreter of this process; "
                  "use it in one of them, or in a process each.");
  return nullptr;
}
