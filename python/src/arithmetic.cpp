// Operators, which upsweep leaves to other libraries: their errors name the way
// out.
#include <cstring>
#include <iterator>
#include <utility>

#include "bindings.h"

namespace upsweep::python {

namespace {

struct Operator {
  const char* name;
  const char* symbol;
  int slot;  // of the type, or the comparison's number
};

constexpr Operator kBinary[] = {
    {"add", "+", Py_nb_add},
    {"subtract", "-", Py_nb_subtract},
    {"multiply", "*", Py_nb_multiply},
    {"matmul", "@", Py_nb_matrix_multiply},
    {"divide", "/", Py_nb_true_divide},
    {"floor_divide", "//", Py_nb_floor_divide},
    {"remainder", "%", Py_nb_remainder},
    {"bitwise_and", "&", Py_nb_and},
    {"bitwise_or", "|", Py_nb_or},
    {"bitwise_xor", "^", Py_nb_xor},
    {"left_shift", "<<", Py_nb_lshift},
    {"right_shift", ">>", Py_nb_rshift},
};
constexpr Operator kPower{"power", "**", Py_nb_power};
constexpr Operator kOrder[] = {
    {"less", "<", Py_LT},
    {"less_equal", "<=", Py_LE},
    {"greater", ">", Py_GT},
    {"greater_equal", ">=", Py_GE},
};
constexpr Operator kUnary[] = {
    {"negative", "-", Py_nb_negative},
    {"positive", "+", Py_nb_positive},
    {"absolute", "abs", Py_nb_absolute},
    {"invert", "~", Py_nb_invert},
};

PyObject* refuse(const Operator& op) {
  PyErr_Format(PyExc_TypeError,
               "[%s] upsweep has no operator %s; apply it to numpy.asarray(a), "
               "or to a.item() if a has one element.",
               op.name, op.symbol);
  return nullptr;
}

// Another library's operand may compute by itself, and Python repeats its own
// sequences by an integer.
PyObject* answer(const Operator& op, PyObject* left, PyObject* right) {
  nb::handle other = is_array(left) ? right : left;
  bool repeats = std::strcmp(op.symbol, "*") == 0;
  bool ours = is_array(other) ||
              (repeats ? is_number(other) : is_number_or_sequence(other));
  if (ours) return refuse(op);
  return nb::borrow(Py_NotImplemented).release().ptr();
}

template <size_t i>
PyObject* binary(PyObject* left, PyObject* right) {
  return answer(kBinary[i], left, right);
}

PyObject* power(PyObject* base, PyObject* exponent, PyObject*) {
  return answer(kPower, base, exponent);
}

template <size_t i>
PyObject* unary(PyObject*) {
  return refuse(kUnary[i]);
}

template <class F>
void append(std::vector<PyType_Slot>& slots, const Operator& op, F* f) {
  slots.push_back({op.slot, reinterpret_cast<void*>(f)});
}

}  // namespace

void append_arithmetic(std::vector<PyType_Slot>& slots) {
  [&]<size_t... i>(std::index_sequence<i...>) {
    (append(slots, kBinary[i], &binary<i>), ...);
  }(std::make_index_sequence<std::size(kBinary)>());
  append(slots, kPower, &power);
  [&]<size_t... i>(std::index_sequence<i...>) {
    (append(slots, kUnary[i], &unary<i>), ...);
  }(std::make_index_sequence<std::size(kUnary)>());
}

void bind_order(ArrayClass& c) {
  for (const Operator& op : kOrder) {
    constexpr const char* kNames[] = {"__lt__", "__le__", "",
                                      "",       "__gt__", "__ge__"};
    c.def(
        kNames[op.slot],
        [op = &op](nb::handle self, nb::handle other) {
          PyObject* result = answer(*op, self.ptr(), other.ptr());
          if (!result) nb::raise_python_error();
          return nb::steal(result);
        },
        nb::arg("other").none());
  }
}

}  // namespace upsweep::python
