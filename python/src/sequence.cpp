// Imports Python numbers and nested sequences of numbers and arrays.
//
// One walk collects the shape, every number without loss, and the dtype that
// holds them. Then the numbers are written in the widest type of their kind and
// converted once.
#include <algorithm>
#include <limits>
#include <memory>
#include <variant>

#include "bindings.h"

namespace upsweep::python {

namespace {

using Number = std::variant<bool, int64_t, uint64_t, double, complex64_t>;

// A list nested more deeply probably contains itself.
constexpr size_t kDeepest = 64;

bool is_sequence(nb::handle h) {
  return PyList_Check(h.ptr()) || PyTuple_Check(h.ptr()) ||
         PyObject_TypeCheck(h.ptr(), &PyRange_Type);
}

Number number_at(const void* at, Dtype dtype) {
  return visit_dtype(dtype, [&](auto zero) -> Number {
    using T = decltype(zero);
    T value = load_element<T>(at);
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, complex64_t>) {
      return value;
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      return static_cast<int64_t>(value);
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<uint64_t>(value);
    } else {
      return static_cast<double>(value);
    }
  });
}

class Collector {
 public:
  Collector(std::optional<Dtype> wanted, const char* op)
      : wanted_(wanted), op_(op) {}

  void walk(nb::handle h, size_t depth) {
    if (is_sequence(h)) {
      walk_sequence(h, depth);
    } else if (is_number(h)) {
      fix_shape(depth, {});
      add_number(h);
    } else {
      array a = to_array(h, op_);
      fix_shape(depth, a.shape());
      add_array(a);
    }
  }

  array result() {
    Dtype dtype = wanted_.value_or(natural_dtype());
    if (has<complex64_t>() && dtype != complex64) {
      throw TypeError(std::string("[") + op_ +
                      "] A complex number cannot become " + dtype.name() +
                      "; take its real part first.");
    }
    if (dtype == complex64) return written_as<complex64_t>(dtype);
    if (dtype.kind() == Dtype::Kind::real || has<double>()) {
      return written_as<double>(dtype);
    }
    if (dtype == bool_) return written_as<bool>(dtype);
    check_range(dtype);
    if (dtype == uint64) return written_as<uint64_t>(dtype);
    return written_as<int64_t>(dtype);
  }

 private:
  void walk_sequence(nb::handle h, size_t depth) {
    // A copy, because code that runs during the walk may change the list.
    nb::object items = nb::steal(PySequence_Tuple(h.ptr()));
    if (!items.is_valid()) nb::raise_python_error();
    auto length = static_cast<int64_t>(PyTuple_Size(items.ptr()));
    if (depth == kDeepest) {
      throw std::invalid_argument(std::string("[") + op_ +
                                  "] Sequences are nested too deeply.");
    }
    if (depth < shape_.size()) {
      if (shape_[depth] != length) fail_uniform();
    } else {
      if (is_fixed_) fail_uniform();
      shape_.push_back(length);
    }
    for (int64_t i = 0; i < length; ++i) {
      walk(PyTuple_GetItem(items.ptr(), static_cast<Py_ssize_t>(i)), depth + 1);
    }
    if (length == 0) {  // nothing is deeper than this
      if (depth + 1 != shape_.size()) fail_uniform();
      is_fixed_ = true;
    }
  }

  // The first number or array sets the depth of all of them.
  void fix_shape(size_t depth, const Shape& rest) {
    if (!is_fixed_) {
      if (depth != shape_.size()) fail_uniform();
      shape_.insert(shape_.end(), rest.begin(), rest.end());
      is_fixed_ = true;
    } else if (shape_.size() != depth + rest.size() ||
               !std::equal(rest.begin(), rest.end(),
                           shape_.begin() + static_cast<int64_t>(depth))) {
      fail_uniform();
    }
  }

  [[noreturn]] static void fail_uniform() {
    throw std::invalid_argument(
        "Initialization encountered non-uniform length.");
  }

  void add_number(nb::handle h) {
    if (PyBool_Check(h.ptr())) {
      add(h.is(Py_True), bool_);
    } else if (PyLong_Check(h.ptr())) {
      add_integer(h);
    } else if (PyFloat_Check(h.ptr())) {
      add(PyFloat_AsDouble(h.ptr()), float32);
    } else {
      add(complex64_t(static_cast<float>(PyComplex_RealAsDouble(h.ptr())),
                      static_cast<float>(PyComplex_ImagAsDouble(h.ptr()))),
          complex64);
    }
  }

  void add_integer(nb::handle h) {
    int overflow = 0;
    int64_t value = PyLong_AsLongLongAndOverflow(h.ptr(), &overflow);
    if (!overflow) {
      add(value, value == static_cast<int32_t>(value) ? int32 : int64);
      return;
    }
    if (wanted_ && !wanted_->is_integer()) {
      double rounded = PyLong_AsDouble(h.ptr());
      if (rounded == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        throw std::overflow_error(std::string("[") + op_ +
                                  "] An integer does not fit in " +
                                  wanted_->name() + ".");
      }
      add(rounded, float32);
      return;
    }
    uint64_t big = overflow > 0 ? PyLong_AsUnsignedLongLong(h.ptr()) : 0;
    if (PyErr_Occurred()) PyErr_Clear(), overflow = -1;
    if (overflow < 0)
      fail_range(nb::cast<std::string>(nb::str(h)),
                 "64 bits; dtype=upsweep.float64 rounds it");
    add(big, uint64);
  }

  void add_array(const array& a) {
    if (a.size() == 0) {
      promote(a.dtype());
      return;
    }
    wait(a);
    array flat = contiguous(a);
    wait_for_data(flat);
    auto* at = static_cast<const char*>(flat.raw_data());
    for (int64_t i = 0; i < flat.size(); ++i, at += flat.itemsize()) {
      add(number_at(at, flat.dtype()), flat.dtype());
    }
  }

  void add(Number number, Dtype dtype) {
    promote(dtype);
    kinds_ |= 1u << number.index();
    numbers_.push_back(number);
  }

  void promote(Dtype dtype) {
    if (!natural_) {
      natural_ = dtype;
    } else if (*natural_ != dtype) {
      // A signed and an unsigned 64-bit integer would promote to a float.
      bool integers = natural_->is_integer() && dtype.is_integer();
      bool big = *natural_ == uint64 || dtype == uint64;
      natural_ = integers && big ? uint64 : promote_types(*natural_, dtype);
    }
  }

  template <class T>
  bool has() const {
    return (kinds_ >> Number(T{}).index()) & 1u;
  }

  Dtype natural_dtype() const { return natural_.value_or(float32); }

  // Checks that all integers are in the range of an integer dtype.
  void check_range(Dtype dtype) const {
    int bits = static_cast<int>(8 * dtype.size());
    bool is_signed = dtype.kind() == Dtype::Kind::sint;
    uint64_t highest =
        std::numeric_limits<uint64_t>::max() >> (64 - bits + is_signed);
    int64_t lowest = is_signed ? -static_cast<int64_t>(highest) - 1 : 0;
    for (const Number& number : numbers_) {
      auto* small = std::get_if<int64_t>(&number);
      auto* big = std::get_if<uint64_t>(&number);
      bool fits = !small || *small >= lowest;
      if (small && *small > 0) fits &= static_cast<uint64_t>(*small) <= highest;
      if (big) fits &= *big <= highest;
      if (!fits) {
        fail_range(small ? std::to_string(*small) : std::to_string(*big),
                   dtype.name());
      }
    }
  }

  [[noreturn]] void fail_range(const std::string& number,
                               const std::string& where) const {
    throw std::overflow_error(std::string("[") + op_ + "] Integer " + number +
                              " does not fit in " + where + ".");
  }

  template <class T>
  array written_as(Dtype dtype) const {
    auto buffer = std::make_unique<T[]>(numbers_.size());
    for (size_t i = 0; i < numbers_.size(); ++i) {
      buffer[i] = std::visit(
          [](auto value) -> T {
            if constexpr (std::is_same_v<decltype(value), complex64_t>) {
              if constexpr (std::is_same_v<T, complex64_t>) return value;
              return T{};  // result() has rejected this
            } else if constexpr (std::is_same_v<T, complex64_t>) {
              return complex64_t(static_cast<float>(value));
            } else {
              return static_cast<T>(value);
            }
          },
          numbers_[i]);
    }
    return astype(array(buffer.get(), shape_), dtype);
  }

  std::optional<Dtype> wanted_;
  const char* op_;
  Shape shape_;
  bool is_fixed_ = false;  // the shape is complete
  std::vector<Number> numbers_;
  unsigned kinds_ = 0;  // bit i: alternative i of Number occurs
  std::optional<Dtype> natural_;
};

}  // namespace

// Subclasses are numbers too, except NumPy's float64 and complex128: those are
// arrays of one element, and keep their dtype.
bool is_number(nb::handle h) {
  if (PyLong_Check(h.ptr()) || PyFloat_CheckExact(h.ptr()) ||
      PyComplex_CheckExact(h.ptr())) {
    return true;
  }
  return (PyFloat_Check(h.ptr()) || PyComplex_Check(h.ptr())) &&
         !PyObject_CheckBuffer(h.ptr()) && !nb::hasattr(h, "__array__");
}

bool is_number_or_sequence(nb::handle h) {
  return is_number(h) || is_sequence(h);
}

array from_sequence(nb::handle h, std::optional<Dtype> dtype, const char* op) {
  FloatMode mode;  // another library may have set one that flushes subnormals
  Collector collector(dtype, op);
  collector.walk(h, 0);
  return collector.result();
}

}  // namespace upsweep::python
