// Text of arrays: repr, format, and the options of both.
#include <algorithm>
#include <cmath>

#include "bindings.h"

namespace upsweep::python {

namespace {

struct PrintOptions {
  // Significant digits; without a value, the fewest that give a number back.
  std::optional<int> precision;
  int64_t edge_items = 3;  // shown at either end of a long axis
};

PrintOptions options;  // the GIL guards it

// Decimal digits d1 d2 ... of the number d1.d2... * 10^exponent.
struct Decimal {
  std::string digits;
  int exponent;
  bool is_negative;
};

std::string scientific(double value, int digits) {
  std::unique_ptr<char, void (*)(void*)> text(
      PyOS_double_to_string(value, 'e', digits - 1, 0, nullptr), PyMem_Free);
  if (!text) nb::raise_python_error();
  return text.get();
}

// Reads "-1.25e-30"; leaves out trailing zeros.
Decimal to_decimal(const std::string& text) {
  size_t e = text.find('e');
  Decimal decimal{"", std::stoi(text.substr(e + 1)), text[0] == '-'};
  for (char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') decimal.digits += c;
  }
  size_t last = decimal.digits.find_last_not_of('0');
  decimal.digits.resize(last == std::string::npos ? 1 : last + 1);
  return decimal;
}

// The fewest digits from which Python and then T give the number back.
template <class T>
Decimal shortest_decimal(double value) {
  for (int digits = 1;; ++digits) {
    std::string text = scientific(value, digits);
    double read = PyOS_string_to_double(text.c_str(), nullptr, nullptr);
    bool same = static_cast<double>(static_cast<T>(read)) == value;
    if (same || digits == 17) return to_decimal(text);
  }
}

// Uses an exponent where %g does: for small numbers, and where the whole part
// has more digits than the precision.
std::string layout(const Decimal& decimal, int precision) {
  std::string digits = decimal.digits, sign = decimal.is_negative ? "-" : "";
  int exponent = decimal.exponent, count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= std::max(count, precision)) {
    if (count > 1) digits.insert(1, ".");
    std::string power = std::to_string(std::abs(exponent));
    if (power.size() == 1) power = "0" + power;
    return sign + digits + (exponent < 0 ? "e-" : "e+") + power;
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') +
           digits;
  }
  auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() < whole) digits.resize(whole, '0');
  if (digits.size() > whole) digits.insert(whole, ".");
  return sign + digits;
}

template <class T>
std::string to_text(double value) {
  constexpr int kMostZeros = 6;  // 100000, but 1e+06
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (options.precision) {
    int digits = *options.precision;
    return layout(to_decimal(scientific(value, digits)), digits);
  }
  return layout(shortest_decimal<T>(value), kMostZeros);
}

std::string to_text(const void* at, Dtype dtype) {
  return visit_dtype(dtype, [&](auto zero) -> std::string {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, complex64_t>) {
      T z = load_element<T>(at);
      std::string imaginary = to_text<float>(z.imag());
      const char* sign = imaginary[0] == '-' ? "" : "+";
      return to_text<float>(z.real()) + sign + imaginary + "j";
    } else if constexpr (std::is_integral_v<T>) {
      return nb::cast<std::string>(nb::str(element(at, dtype)));
    } else {
      return to_text<T>(static_cast<double>(load_element<T>(at)));
    }
  });
}

// Prints as MLX does: leaves out the middle of long axes.
void print(const array& a, const char* at, size_t axis, std::string& out) {
  if (axis == a.shape().size()) {
    out += to_text(at, a.dtype());
    return;
  }
  bool innermost = axis + 1 == a.shape().size();
  std::string separator = innermost ? ", " : ",\n" + std::string(axis + 7, ' ');
  int64_t extent = a.shape()[axis], edge = options.edge_items;
  int64_t step = a.strides()[axis] * static_cast<int64_t>(a.itemsize());
  out += "[";
  for (int64_t i = 0; i < extent; ++i) {
    if (i > 0) out += separator;
    if (i == edge && extent - edge > edge) {
      out += "..." + separator;
      i = extent - edge;
    }
    print(a, at + i * step, axis + 1, out);
  }
  out += "]";
}

std::string repr(const array& a) {
  wait_for_data(a);
  FloatMode mode;  // another library may have set one that flushes subnormals
  std::string out = "array(";
  if (a.size() == 0) {
    out += "[]";
  } else {
    print(a, static_cast<const char*>(a.raw_data()), 0, out);
  }
  return out + ", dtype=" + a.dtype().name() + ")";
}

nb::object format(nb::handle self, nb::handle spec) {
  const array& a = as_array(self);
  if (nb::isinstance<nb::str>(spec) && nb::len(spec) == 0) return nb::str(self);
  if (a.ndim() > 0) {
    throw TypeError("[format] The format " +
                    nb::cast<std::string>(nb::repr(spec)) +
                    " is for one element; format the elements of a.tolist(), "
                    "or call set_printoptions(precision=...).");
  }
  nb::object text = nb::steal(PyObject_Format(item(a).ptr(), spec.ptr()));
  if (!text.is_valid()) nb::raise_python_error();
  return text;
}

int64_t at_least_one(nb::handle h, int64_t most, const char* name) {
  int64_t value = to_int64(h, "set_printoptions", name);
  if (value >= 1 && value <= most) return value;
  throw std::invalid_argument(std::string("[set_printoptions] ") + name +
                              " must be between 1 and " + std::to_string(most) +
                              ", not " + std::to_string(value) + ".");
}

nb::dict set_options(nb::handle precision, nb::handle edge_items) {
  constexpr int64_t kMostDigits = 100, kMostItems = int64_t{1} << 40;
  PrintOptions wanted;
  if (!precision.is_none()) {
    wanted.precision =
        static_cast<int>(at_least_one(precision, kMostDigits, "precision"));
  }
  wanted.edge_items = at_least_one(edge_items, kMostItems, "edgeitems");
  nb::dict before;
  before["precision"] =
      options.precision ? nb::cast(*options.precision) : nb::none();
  before["edgeitems"] = options.edge_items;
  options = wanted;
  return before;
}

}  // namespace

void bind_print(ArrayClass& c) {
  c.def("__repr__", &repr, nb::sig("def __repr__(self) -> str"));
  c.def("__format__", &format, nb::arg("spec"),
        nb::sig("def __format__(self, spec: str, /) -> str"), R"(
The only element of a 0-d array in a format such as ``.3f``; without one, the
text of the array.

Raises:
    TypeError: The array has axes, and a format is given.)");
}

void init_print(nb::module_& m) {
  m.def("set_printoptions", &set_options, nb::kw_only(),
        nb::arg("precision") = nb::none(), nb::arg("edgeitems").none() = 3,
        nb::sig("def set_printoptions(*, precision: None | int = None, "
                "edgeitems: int = 3) -> dict[str, Any]"),
        R"(
Sets how arrays print, in the whole process. An option that is left out returns
to its default.

Args:
    precision: Significant digits of floating-point numbers. None prints the
        fewest digits that give the number back when they are read.
    edgeitems: How many elements are shown at either end of an axis; the middle
        of an axis with more than twice as many is left out.

Returns:
    The options before, for ``set_printoptions(**before)``.

Raises:
    ValueError: An option is less than 1, or precision more than 100.)");
}

}  // namespace upsweep::python
