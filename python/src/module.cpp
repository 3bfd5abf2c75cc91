// The extension module: registers what the other files bind.
#include "bindings.h"

NB_MODULE(_core, m) {
  using namespace upsweep::python;
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
  init_dtype(m);
  init_device(m);
  init_array(m);
  init_convert(m);
  init_views(m);
  init_ops(m);
  init_scan(m);
  init_memory(m);
  init_function(m);
}
