// Python arguments that are plain values: flags, numbers, axes and shapes.
#include <limits>

#include "bindings.h"

namespace upsweep::python {

namespace {

[[noreturn]] void wrong_type(const char* op, const char* name,
                             const char* wanted, nb::handle h) {
  throw TypeError(std::string("[") + op + "] " + name + " must be " + wanted +
                  ", not " + type_of(h) + ".");
}

// NumPy's integers count. bool does not, and neither do arrays with axes, which
// are sequences.
bool is_integer(nb::handle h) {
  if (PyLong_Check(h.ptr())) return !PyBool_Check(h.ptr());
  if (is_array(h)) return as_array(h).ndim() == 0;
  return PyIndex_Check(h.ptr()) && !PySequence_Check(h.ptr());
}

bool is_sequence(nb::handle h) {
  return PySequence_Check(h.ptr()) && !PyUnicode_Check(h.ptr()) &&
         !PyBytes_Check(h.ptr());
}

// The value, or the nearest that int64_t holds.
int64_t clamped(nb::handle h, int* overflow) {
  nb::object index = nb::steal(PyNumber_Index(h.ptr()));
  if (!index.is_valid()) nb::raise_python_error();
  int64_t value = PyLong_AsLongLongAndOverflow(index.ptr(), overflow);
  if (*overflow > 0) return std::numeric_limits<int64_t>::max();
  if (*overflow < 0) return std::numeric_limits<int64_t>::min();
  return value;
}

}  // namespace

std::string type_of(nb::handle h) {
  return nb::cast<std::string>(nb::str(h.type().attr("__name__")));
}

bool to_bool(nb::handle h, const char* op, const char* name) {
  if (h.is(Py_True)) return true;
  if (h.is(Py_False)) return false;
  std::string type = type_of(h);
  if (type != "bool" && type != "bool_") {  // NumPy's, under both its names
    wrong_type(op, name, "True or False", h);
  }
  return PyObject_IsTrue(h.ptr()) == 1;
}

double to_double(nb::handle h, const char* op, const char* name) {
  if (!PyFloat_Check(h.ptr()) && !is_integer(h) &&
      !nb::hasattr(h, "__float__")) {
    wrong_type(op, name, "a number", h);
  }
  double value = PyFloat_AsDouble(h.ptr());
  if (value == -1.0 && PyErr_Occurred()) nb::raise_python_error();
  return value;
}

int64_t to_int64(nb::handle h, const char* op, const char* name) {
  if (!is_integer(h)) wrong_type(op, name, "an integer", h);
  int overflow = 0;
  int64_t value = clamped(h, &overflow);
  if (overflow) {
    throw std::overflow_error(std::string("[") + op + "] " + name + " " +
                              nb::cast<std::string>(nb::str(h)) +
                              " does not fit in 64 bits.");
  }
  return value;
}

int to_axis(nb::handle h, const array& a, const char* op, const char* name) {
  if (!is_integer(h)) wrong_type(op, name, "an integer", h);
  int overflow = 0;
  int64_t axis = clamped(h, &overflow);
  if (overflow || axis != static_cast<int>(axis)) {
    throw std::out_of_range(std::string("[") + op + "] Axis " +
                            nb::cast<std::string>(nb::str(h)) +
                            " is out of bounds for array with " +
                            std::to_string(a.ndim()) + " dimensions.");
  }
  return static_cast<int>(axis);
}

std::vector<int> to_axes(nb::handle h, const array& a, const char* op,
                         const char* name) {
  if (is_integer(h)) return {to_axis(h, a, op, name)};
  if (!is_sequence(h)) {
    wrong_type(op, name, "an integer or a sequence of integers", h);
  }
  std::vector<int> axes;
  for (nb::handle entry : h) axes.push_back(to_axis(entry, a, op, name));
  return axes;
}

std::pair<int64_t, int64_t> to_pair(nb::handle h, const char* op,
                                    const char* name) {
  if (!is_sequence(h) || nb::len(h) != 2) {
    wrong_type(op, name, "a pair of integers", h);
  }
  nb::object first = nb::steal(PySequence_GetItem(h.ptr(), 0));
  nb::object second = nb::steal(PySequence_GetItem(h.ptr(), 1));
  if (!first.is_valid() || !second.is_valid()) nb::raise_python_error();
  return {to_int64(first, op, name), to_int64(second, op, name)};
}

Shape to_shape(nb::handle h, const char* op, const char* name) {
  if (is_integer(h)) return {to_int64(h, op, name)};
  if (!is_sequence(h)) {
    wrong_type(op, name, "an integer or a sequence of integers", h);
  }
  Shape shape;
  for (nb::handle entry : h) shape.push_back(to_int64(entry, op, name));
  return shape;
}

nb::object one_or_many(const nb::args& args) {
  if (args.size() == 1) return nb::borrow(args[0]);
  return args;
}

}  // namespace upsweep::python
