// class array: its properties, comparison and indexing.
#include "bindings.h"

namespace upsweep::python {

namespace {

PyTypeObject* array_type;  // borrowed from the module

nb::tuple to_tuple(const std::vector<int64_t>& values) {
  nb::object out =
      nb::steal(PyTuple_New(static_cast<Py_ssize_t>(values.size())));
  if (!out.is_valid()) nb::raise_python_error();
  for (size_t i = 0; i < values.size(); ++i) {
    PyTuple_SetItem(out.ptr(), static_cast<Py_ssize_t>(i),
                    PyLong_FromLongLong(values[i]));
  }
  return nb::borrow<nb::tuple>(out);
}

std::string bounds_text(int64_t index, int axis, int64_t extent) {
  return "[getitem] Index " + std::to_string(index) +
         " is out of bounds for axis " + std::to_string(axis) + " with size " +
         std::to_string(extent) + ".";
}

// Turns an index expression into a view, one entry after another along the
// axes.
class Indexer {
 public:
  explicit Indexer(const array& a) : a_(a), offset_(a.offset()) {}

  array operator()(nb::handle index) {
    if (!nb::isinstance<nb::tuple>(index)) {
      index_ = nb::make_tuple(nb::borrow(index));
    } else {
      index_ = nb::borrow<nb::tuple>(index);
    }
    int64_t consumed = 0;
    bool ellipsis = false;
    for (nb::handle entry : index_) {
      if (entry.is(Py_Ellipsis)) {
        if (ellipsis) {
          throw std::out_of_range(
              "[getitem] An index can have only one ellipsis.");
        }
        ellipsis = true;
      } else if (!entry.is_none()) {
        ++consumed;
      }
    }
    int64_t rest = a_.ndim() - consumed;
    if (rest < 0) {
      throw std::invalid_argument("Too many indices for array with " +
                                  std::to_string(a_.ndim()) + " dimensions.");
    }
    for (nb::handle entry : index_) {
      if (entry.is(Py_Ellipsis)) {
        keep(rest);
      } else if (entry.is_none()) {
        shape_.push_back(1);
        strides_.push_back(0);
      } else if (PySlice_Check(entry.ptr())) {
        slice(entry);
      } else {
        pick(entry);
      }
    }
    if (!ellipsis) keep(rest);
    return a_.as_strided(std::move(shape_), std::move(strides_), offset_);
  }

 private:
  void keep(int64_t axes) {
    for (; axes > 0; --axes, ++axis_) {
      shape_.push_back(a_.shape()[axis_]);
      strides_.push_back(a_.strides()[axis_]);
    }
  }

  void slice(nb::handle entry) {
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(entry.ptr(), &start, &stop, &step) < 0) {
      nb::raise_python_error();
    }
    Py_ssize_t extent =
        PySlice_AdjustIndices(a_.shape()[axis_], &start, &stop, step);
    if (extent > 0) advance(start);
    shape_.push_back(extent);
    // With one element or none, the product means nothing and may overflow.
    bool has_neighbours = extent > 1 && a_.size() > 0;
    strides_.push_back(has_neighbours ? step * a_.strides()[axis_]
                                      : a_.strides()[axis_]);
    ++axis_;
  }

  void pick(nb::handle entry) {
    bool integer = PyIndex_Check(entry.ptr()) && !PyBool_Check(entry.ptr()) &&
                   !(is_array(entry) && as_array(entry).ndim() > 0);
    if (!integer) {
      throw TypeError(
          "[getitem] An index is made of integers, slices, None and ..., not "
          "of " +
          type_of(entry) + "; index numpy.asarray(a) by arrays and masks.");
    }
    int64_t extent = a_.shape()[axis_];
    int64_t index = PyNumber_AsSsize_t(entry.ptr(), PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) nb::raise_python_error();
    if (index < -extent || index >= extent) {
      throw std::out_of_range(
          bounds_text(index, static_cast<int>(axis_), extent));
    }
    if (index < 0) index += extent;
    advance(index);
    ++axis_;
  }

  // Moves along the axis. Strides of an empty array may be so large that the
  // offset would overflow.
  void advance(int64_t elements) {
    if (a_.size() > 0) offset_ += elements * a_.strides()[axis_];
  }

  const array& a_;
  nb::tuple index_;
  size_t axis_ = 0;
  int64_t offset_;
  Shape shape_;
  Strides strides_;
};

// For anything but an array-like, Python asks the other operand, whose default
// is "not equal".
nb::object compare(nb::handle self, nb::handle other,
                   array (*op)(const array&, const array&, StreamOrDevice),
                   const char* name) {
  const array& a = as_array(self);
  try {
    return nb::cast(
        apply(other, name, [&](const array& b) { return op(a, b, {}); }));
  } catch (const TypeError&) {
    return nb::borrow(Py_NotImplemented);
  }
}

void bind_geometry(ArrayClass& c) {
  c.def_prop_ro(
       "shape", [](const array& a) { return to_tuple(a.shape()); },
       nb::sig("def shape(self) -> tuple[int, ...]"),
       "The extents of the axes.")
      .def_prop_ro(
          "strides", [](const array& a) { return to_tuple(a.strides()); },
          nb::sig("def strides(self) -> tuple[int, ...]"),
          "Distances between neighbours along each axis, in elements; any "
          "sign.")
      .def_prop_ro("offset", &array::offset, nb::sig("def offset(self) -> int"),
                   "Elements from the start of the storage to the first one.")
      .def_prop_ro(
          "dtype", [](const array& a) { return dtype_object(a.dtype()); },
          nb::sig("def dtype(self) -> Dtype"), "The type of the elements.")
      .def_prop_ro("device", &array::device,
                   nb::sig("def device(self) -> Device"),
                   "The device whose memory holds the elements.")
      .def_prop_ro("size", &array::size, nb::sig("def size(self) -> int"),
                   "The number of elements.")
      .def_prop_ro("ndim", &array::ndim, nb::sig("def ndim(self) -> int"),
                   "The number of axes.")
      .def_prop_ro("nbytes", &array::nbytes, nb::sig("def nbytes(self) -> int"),
                   "The number of bytes of all elements.")
      .def_prop_ro("itemsize", &array::itemsize,
                   nb::sig("def itemsize(self) -> int"), "Bytes per element.");
}

void bind_sequence(ArrayClass& c) {
  c.def(
       "__len__",
       [](const array& a) {
         if (a.ndim() == 0) throw TypeError("len() 0-dimensional array.");
         return a.shape()[0];
       },
       nb::sig("def __len__(self) -> int"))
      .def(
          "__iter__",
          [](nb::handle self) {
            if (as_array(self).ndim() == 0) {
              throw TypeError("iter() 0-dimensional array.");
            }
            return nb::steal(PySeqIter_New(self.ptr()));
          },
          nb::sig("def __iter__(self) -> Iterator[array]"))
      .def(
          "__getitem__",
          [](const array& a, nb::handle index) { return Indexer(a)(index); },
          nb::arg("index").none(),
          nb::sig("def __getitem__(self, index: int | slice | EllipsisType | "
                  "None | tuple[int | slice | EllipsisType | None, ...]) -> "
                  "array"),
          R"(
A view: integers take one element of an axis, slices (of any step) some, None
adds an axis, and ... stands for the axes that the index leaves out.

Raises:
    IndexError: An integer is out of bounds.
    ValueError: There are more indices than axes.
    TypeError: The index is something else, such as an array or a mask.)")
      .def(
          "__eq__",
          [](nb::handle self, nb::handle other) {
            return compare(self, other, equal, "equal");
          },
          nb::arg("other").none(),
          nb::sig("def __eq__(self, other: object, /) -> array"),
          "Element by element after broadcasting, exact whatever the dtypes; "
          "bool_.")
      .def(
          "__ne__",
          [](nb::handle self, nb::handle other) {
            return compare(self, other, not_equal, "not_equal");
          },
          nb::arg("other").none(),
          nb::sig("def __ne__(self, other: object, /) -> array"),
          "Element by element after broadcasting, exact whatever the dtypes; "
          "bool_.")
      .def(
          "__hash__",
          [](nb::handle self) {
            return reinterpret_cast<Py_ssize_t>(self.ptr()) >> 4;
          },
          nb::sig("def __hash__(self) -> int"),
          "By identity, as in MLX: equality is element by element and gives no "
          "hash.");
}

}  // namespace

bool is_array(nb::handle h) { return Py_TYPE(h.ptr()) == array_type; }

void wait(const array& a) {
  if (a.is_ready()) {
    a.wait();  // throws the error of the work, if there is one
  } else {
    WithoutGil released;
    a.wait();
  }
}

const void* wait_for_data(const array& a) {
  bool is_there = a.is_ready() && a.device() == DeviceType::cpu;
  if (is_there) return a.raw_data();
  WithoutGil released;
  return a.raw_data();
}

void init_array(nb::module_& m) {
  std::vector<PyType_Slot> slots;
  append_buffer(slots);
  append_arithmetic(slots);
  slots.push_back({0, nullptr});
  ArrayClass c(m, "array", nb::is_final(), nb::type_slots(slots.data()), R"(
An immutable n-dimensional array: shape, strides, offset and dtype over shared
storage. Views are free.

The array may not be computed yet: anything that reads its elements waits first,
and raises the error of the work if it failed.

Args:
    val: A number, nested sequences of numbers or arrays, an array, or anything
        with DLPack or the buffer protocol. Always copied; :func:`asarray`
        shares. Python numbers become bool_, int32 (int64, uint64 where it does
        not fit), float32 or complex64; other dtypes are kept.
    dtype: The dtype, if it is to differ from that of val: one of upsweep's, its
        name, or NumPy's dtype of that name.

Raises:
    TypeError: val is none of these, or has a dtype that upsweep lacks.
    ValueError: Nested sequences have non-uniform lengths.
    OverflowError: An integer does not fit in the dtype.)");
  array_type = reinterpret_cast<PyTypeObject*>(c.ptr());
  c.def(
      "__init__",
      [](array* self, nb::handle val, nb::handle dtype) {
        new (self) array(
            to_array(val, to_optional_dtype(dtype, "array"), true, "array"));
      },
      nb::arg("val").none(), nb::arg("dtype") = nb::none(),
      nb::sig(
          "def __init__(self, val: object, dtype: None | DtypeLike = None) -> "
          "None"));
  bind_geometry(c);
  bind_sequence(c);
  bind_views(c);
  bind_export(c);
  bind_print(c);
  bind_order(c);
  bind_pickle(c);
  bind_dlpack(c);
  bind_scans(c);
}

}  // namespace upsweep::python
