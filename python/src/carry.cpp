// class Carry.
#include <cstring>

#include "bindings.h"

namespace upsweep::python {

namespace {

nb::tuple to_pair_of_arrays(std::pair<array, array> pair) {
  return nb::make_tuple(std::move(pair.first), std::move(pair.second));
}

nb::tuple shape_tuple(const Shape& shape) {
  nb::list extents;
  for (int64_t extent : shape) extents.append(extent);
  return nb::tuple(extents);
}

nb::object record_bytes(const Carry& carry) {
  const CarryRecord* records;
  {
    WithoutGil released;
    records = carry.records();
  }
  return nb::steal(PyBytes_FromStringAndSize(
      reinterpret_cast<const char*>(records),
      static_cast<Py_ssize_t>(static_cast<size_t>(carry.size()) *
                              sizeof(CarryRecord))));
}

// The version of the layout, then what the constructor takes.
nb::tuple get_state(const Carry& carry) {
  return nb::make_tuple(kCarryVersion, op_name(carry.op()),
                        dtype_object(carry.dtype()), carry.reverse(),
                        shape_tuple(carry.shape()), record_bytes(carry));
}

// Places a Carry over records that may not be aligned.
void construct(Carry* self, const char* op, nb::handle name, nb::handle dtype,
               nb::handle reverse, nb::handle shape, const char* bytes,
               size_t size) {
  Shape lines = to_shape(shape, op);
  std::vector<CarryRecord> records(size / sizeof(CarryRecord));
  if (records.size() * sizeof(CarryRecord) != size) {
    throw std::invalid_argument(std::string("[") + op + "] records must have " +
                                std::to_string(sizeof(CarryRecord)) +
                                " bytes each.");
  }
  if (size) std::memcpy(records.data(), bytes, size);  // else data() is null
  new (self) Carry(to_op(name, op), to_dtype(dtype, op),
                   to_bool(reverse, op, "reverse"), std::move(lines),
                   records.data(), static_cast<int64_t>(records.size()));
}

void set_state(Carry* self, const nb::tuple& state) {
  constexpr char kOp[] = "Carry.__setstate__";
  if (state.size() != 6 || !nb::isinstance<nb::bytes>(state[5])) {
    throw TypeError(
        "[Carry.__setstate__] state must be what __getstate__ returns.");
  }
  int64_t version = to_int64(state[0], kOp, "version");
  if (version != kCarryVersion) {
    throw std::invalid_argument("[Carry.__setstate__] The state has version " +
                                std::to_string(version) +
                                " of the layout; this is version " +
                                std::to_string(kCarryVersion) + ".");
  }
  nb::bytes bytes = nb::borrow<nb::bytes>(state[5]);
  construct(self, kOp, state[1], state[2], state[3], state[4], bytes.c_str(),
            bytes.size());
}

// NumPy's structured dtype of CarryRecord.
nb::object record_dtype() {
  nb::list fields;
  auto field = [&](const char* name, const char* type) {
    fields.append(nb::make_tuple(name, type));
  };
  for (std::string number : {"prefix", "total"}) {
    for (const char* part : {"_re", "_re_low", "_im", "_im_low"}) {
      field((number + part).c_str(), "<f8");
    }
    field((number + "_exponent").c_str(), "<i8");
    field((number + "_scale").c_str(), "<f8");
  }
  for (const char* range : {"low", "high", "special"}) {
    fields.append(nb::make_tuple(range, "<f8", nb::make_tuple(2)));
  }
  field("decided", "<i8");
  return nb::module_::import_("numpy").attr("dtype")(fields);
}

nb::object to_numpy(const Carry& carry) {
  nb::object numpy = nb::module_::import_("numpy");
  return numpy.attr("frombuffer")(record_bytes(carry), record_dtype())
      .attr("reshape")(shape_tuple(carry.shape()));
}

std::string repr(const Carry& carry) {
  std::string text = std::string("Carry(op='") + op_name(carry.op()) +
                     "', dtype=" + carry.dtype().name() + ", shape=(";
  for (int64_t extent : carry.shape()) text += std::to_string(extent) + ",";
  return text + (carry.reverse() ? "), reverse=True)" : "))");
}

}  // namespace

Op to_op(nb::handle h, const char* op) {
  std::string known;
  std::string wanted =
      nb::isinstance<nb::str>(h) ? nb::cast<std::string>(h) : type_of(h);
#define UPSWEEP_NAME(name, scan, result)                              \
  if (nb::isinstance<nb::str>(h) && wanted == #name) return Op::name; \
  known += std::string(known.empty() ? "" : ", ") + "'" + #name + "'";
  UPSWEEP_OPERATORS(UPSWEEP_NAME)
#undef UPSWEEP_NAME
  std::string message = std::string("[") + op + "] op must be one of " + known +
                        ", not " + wanted + ".";
  if (nb::isinstance<nb::str>(h)) throw std::invalid_argument(message);
  throw TypeError(message);
}

// One of NumPy's integers as one of Python's, so that it must fit the dtype
// too; null for anything else.
nb::object numpy_integer(nb::handle h) {
  bool is_scalar = PyIndex_Check(h.ptr()) && !PyLong_Check(h.ptr()) &&
                   nb::hasattr(h, "ndim") && h.attr("ndim").equal(nb::int_(0));
  if (!is_scalar) return {};
  PyObject* integer = PyNumber_Index(h.ptr());
  if (!integer) PyErr_Clear();  // bool_, or a float of no axes
  return nb::steal(integer);
}

InitialValue to_initial(nb::handle h, Dtype dtype, const char* op) {
  if (h.is_none()) return {};
  if (nb::isinstance<Carry>(h)) return contents<Carry>(h);
  nb::object integer = numpy_integer(h);
  if (integer) h = integer;
  // A Python number takes the dtype of the scan if that has numbers of its
  // kind.
  bool is_float = PyFloat_Check(h.ptr());
  bool is_int = PyLong_Check(h.ptr());
  bool is_real = dtype.kind() == Dtype::Kind::real || dtype == complex64;
  if ((is_int && dtype != bool_) || (is_float && is_real) ||
      (PyComplex_Check(h.ptr()) && dtype == complex64) ||
      (PyBool_Check(h.ptr()) && dtype == bool_)) {
    return name_argument(op, "initial",
                         [&] { return to_array(h, dtype, std::nullopt, op); });
  }
  return name_argument(op, "initial",
                       [&] { return to_array_like(h, dtype, op); });
}

void init_carry(nb::module_& m) {
  nb::class_<Carry> c(m, "Carry", R"(
What lines of elements amount to, for a scan that goes on where another one
ended: ``scan(b, op, initial=carry(a, op))`` is the second part of the scan of a
and b together. Made by :func:`carry`; immutable.

Each line has one record: the prefix, rounded nowhere and out of the range of
the dtype where a scan would be; the total without regard to that range; the
range that the prefixes went through; and what the elements do to a prefix that
has left it. ``numpy.asarray(carry)`` gives the records as a structured array,
and ``Carry(op, dtype, records)`` takes them back. The fields are described at
``CarryRecord`` in the C++ reference; ``Carry.version`` counts their layouts.

Args:
    op: The operator: "prod", "sum", "max", "min" or "logaddexp".
    dtype: The dtype of the scan's results.
    records: A structured array as ``numpy.asarray(carry)`` gives it.
    reverse: Whether the lines run backwards.

Raises:
    TypeError: The operator has no results of the dtype, or records is no such
        array.)");
  c.def(
      "__init__",
      [](Carry* self, nb::handle op, nb::handle dtype, nb::handle records,
         nb::handle reverse) {
        if (!nb::hasattr(records, "dtype") ||
            !records.attr("dtype").equal(record_dtype())) {
          throw TypeError(
              "[Carry] records must be a structured array, as "
              "numpy.asarray(carry) gives it.");
        }
        nb::object all = records.attr("tobytes")();
        if (!nb::isinstance<nb::bytes>(all)) {
          throw TypeError("[Carry] records.tobytes() must return bytes, not " +
                          type_of(all) + ".");
        }
        nb::bytes bytes = nb::borrow<nb::bytes>(all);
        construct(self, "Carry", op, dtype, reverse, records.attr("shape"),
                  bytes.c_str(), bytes.size());
      },
      nb::arg("op"), nb::arg("dtype"), nb::arg("records"), nb::kw_only(),
      nb::arg("reverse") = false,
      nb::sig("def __init__(self, op: str, dtype: DtypeLike, records: Any, *, "
              "reverse: bool = False) -> None"));
  c.attr("version") = kCarryVersion;
  c.def_prop_ro(
      "op", [](const Carry& self) { return op_name(self.op()); },
      nb::sig("def op(self) -> str"), "The operator.");
  c.def_prop_ro(
      "dtype", [](const Carry& self) { return dtype_object(self.dtype()); },
      nb::sig("def dtype(self) -> Dtype"), "The dtype of the scan's results.");
  c.def_prop_ro(
      "reverse", [](const Carry& self) { return self.reverse(); },
      nb::sig("def reverse(self) -> bool"), "Whether the lines run backwards.");
  c.def_prop_ro(
      "shape", [](const Carry& self) { return shape_tuple(self.shape()); },
      nb::sig("def shape(self) -> tuple[int, ...]"),
      "The shape of the scanned array without the axis; () for one line.");
  c.def_prop_ro(
      "is_decided",
      [](const Carry& self) {
        WithoutGil released;
        return self.is_decided();
      },
      nb::sig("def is_decided(self) -> bool"),
      "Whether the results so far are known, of all lines. Those of "
      ":func:`carry` are. Those of :meth:`then` are not if a product or sum "
      "may have left the range of the dtype on the way: then only the "
      "elements can tell.");
  c.def(
      "then",
      [](const Carry& self, nb::handle next) {
        if (!nb::isinstance<Carry>(next)) {
          throw TypeError("[Carry.then] next must be a Carry, not " +
                          type_of(next) + ".");
        }
        const Carry& other = contents<Carry>(next);
        WithoutGil released;
        return self.then(other);
      },
      nb::arg("next").none(), nb::sig("def then(self, next: Carry) -> Carry"),
      R"(
The carry of these lines followed by those of next, in scan order. It is
associative up to rounding, and may be undecided.

Raises:
    ValueError: op, dtype, direction or shape differ.)");
  c.def(
      "value",
      [](const Carry& self) {
        WithoutGil released;
        return self.value();
      },
      nb::sig("def value(self) -> array"), R"(
The results so far, rounded to the dtype; of the shape of the carry.

Raises:
    ValueError: A line is undecided.)");
  c.def(
      "mantissa_exponent",
      [](const Carry& self) {
        return to_pair_of_arrays([&] {
          WithoutGil released;
          return self.mantissa_exponent();
        }());
      },
      nb::sig("def mantissa_exponent(self) -> tuple[array, array]"), R"(
The products of all elements, which here cannot leave the range: float64
mantissas of 0.5 to below 1 and int64 exponents, as in frexp. A zero, infinite
or NaN mantissa has the exponent 0.

Raises:
    ValueError: op is not "prod", or the dtype not a real one.)");
  c.def(
      "__array__",
      [](const Carry& self, nb::handle dtype, nb::handle copy) -> nb::object {
        if (copy.is(Py_False)) {
          throw std::invalid_argument(
              "[Carry.__array__] The records have to be copied; leave copy "
              "None "
              "or True.");
        }
        nb::object records = to_numpy(self);
        if (!dtype.is_none()) return records.attr("astype")(dtype);
        return copy.is(Py_True) ? records.attr("copy")() : records;
      },
      nb::arg("dtype") = nb::none(), nb::arg("copy") = nb::none(),
      nb::sig("def __array__(self, dtype: Any = None, copy: bool | None = "
              "None) -> Any"));
  c.def("__getstate__", &get_state,
        nb::sig("def __getstate__(self) -> tuple[int, str, Dtype, bool, "
                "tuple[int, ...], bytes]"));
  c.def("__setstate__", &set_state,
        nb::sig("def __setstate__(self, state: tuple[int, str, Dtype, bool, "
                "tuple[int, ...], bytes], /) -> None"));
  c.def("__repr__", &repr);
}

}  // namespace upsweep::python
