// What the binding files share: their registration, and the conversion of
// arguments between Python and the core.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "upsweep/upsweep.h"

namespace upsweep::python {

namespace nb = nanobind;

// Registration, one file each.
void init_dtype(nb::module_& m);
void init_device(nb::module_& m);
void init_array(nb::module_& m);
void init_convert(nb::module_& m);
void init_tensors(nb::module_& m);
void init_views(nb::module_& m);
void init_ops(nb::module_& m);
void init_scan(nb::module_& m);
void init_general_scan(nb::module_& m);
void init_carry(nb::module_& m);
void init_recurrence(nb::module_& m);
void init_gradient(nb::module_& m);
void init_memory(nb::module_& m);
void init_function(nb::module_& m);
void init_print(nb::module_& m);

// Parts of class array.
using ArrayClass = nb::class_<array>;
void bind_views(ArrayClass& c);                           // views.cpp
void bind_export(ArrayClass& c);                          // export.cpp
void bind_print(ArrayClass& c);                           // print.cpp
void bind_order(ArrayClass& c);                           // arithmetic.cpp
void bind_pickle(ArrayClass& c);                          // pickle.cpp
void bind_dlpack(ArrayClass& c);                          // dlpack.cpp
void bind_scans(ArrayClass& c);                           // scan.cpp
void append_buffer(std::vector<PyType_Slot>& slots);      // buffer.cpp
void append_arithmetic(std::vector<PyType_Slot>& slots);  // arithmetic.cpp

// Arguments (arguments.cpp). If the type is wrong, each throws a TypeError that
// names the operation and the argument.
std::string type_of(nb::handle h);
bool to_bool(nb::handle h, const char* op, const char* name);
double to_double(nb::handle h, const char* op, const char* name);
int64_t to_int64(nb::handle h, const char* op, const char* name);
/// An axis of a; what int cannot hold is out of bounds.
int to_axis(nb::handle h, const array& a, const char* op, const char* name);
/// An axis, or several in a sequence.
std::vector<int> to_axes(nb::handle h, const array& a, const char* op,
                         const char* name);
/// Two integers, as in a version or a device of DLPack.
std::pair<int64_t, int64_t> to_pair(nb::handle h, const char* op,
                                    const char* name);
/// An integer or a sequence of them.
Shape to_shape(nb::handle h, const char* op, const char* name = "shape");
/// One sequence, or the integers themselves: reshape(2, 3), reshape((2, 3)).
nb::object one_or_many(const nb::args& args);

// Dtypes (dtype.cpp); there is one Python object for each dtype.
nb::object dtype_object(Dtype dtype);
Dtype to_dtype(nb::handle h, const char* op);
std::optional<Dtype> to_optional_dtype(nb::handle h, const char* op);

// Carries (carry.cpp).
/// What the lines of a scan start with: None, a Carry, or a value that becomes
/// an array.
InitialValue to_initial(nb::handle h, Dtype dtype, const char* op);
/// The operator of this name.
Op to_op(nb::handle h, const char* op);

/// Calls f, whose errors begin with [op], and adds the name of the argument
/// that they are about.
template <class F>
auto name_argument(const char* op, const char* argument, const F& f) {
  auto named = [&](const std::string& error) {
    size_t end = error.find("] ");
    std::string text = end == std::string::npos ? error : error.substr(end + 2);
    return std::string("[") + op + "] " + argument + ": " + text;
  };
  try {
    return f();
  } catch (const TypeError& e) {
    throw TypeError(named(e.what()));
  } catch (const std::overflow_error& e) {
    throw std::overflow_error(named(e.what()));
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(named(e.what()));
  }
}

// Streams (device.cpp).
StreamOrDevice to_stream_or_device(nb::handle h, const char* op);

/// The C++ object in an instance of a bound class. __new__ alone does not make
/// one.
template <class T>
const T& contents(nb::handle h) {
  if (!nb::inst_ready(h)) {
    throw TypeError("[" + type_of(h) +
                    "] It was made by __new__ and never initialised.");
  }
  return *nb::inst_ptr<T>(h);
}

// Arrays (array.cpp).
bool is_array(nb::handle h);
inline const array& as_array(nb::handle h) { return contents<array>(h); }
/// Waits for a without holding the GIL; costs nothing if a is ready.
void wait(const array& a);
/// Waits until the CPU can read a; returns the address of its elements.
const void* wait_for_data(const array& a);

// The GIL (gil.cpp).
/// Makes release functions of adopted memory run with the GIL, as own's does.
void init_releases();
/// While it lives, the calling thread has released the GIL.
class WithoutGil {
 public:
  WithoutGil();
  ~WithoutGil();
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};
/// The owner of a Python resource: release(object) runs with the GIL, on the
/// thread that drops the last reference, and not at all once the interpreter is
/// shutting down.
std::shared_ptr<void> own(void* object, void (*release)(void*));
/// Called when the interpreter shuts down; waits for threads that have asked
/// for the GIL, if they can still get it.
void stop_asking_for_gil(bool wait_for_others);

// Array-likes (convert.cpp): shared if possible, else copied.
array to_array(nb::handle h, const char* op);
/// The same, converted to dtype. It must copy (true), must not (false), or may.
array to_array(nb::handle h, std::optional<Dtype> dtype,
               std::optional<bool> copy, const char* op);
/// Checked memory of another library, described in bytes.
struct Foreign {
  const void* data;
  Shape shape;
  Strides byte_strides;
  Dtype dtype;
  std::shared_ptr<void> owner;
  // The stream that may read it, if it is a GPU's memory.
  std::optional<Stream> stream;
};
/// Foreign memory as an array; a copy if its elements are not aligned or not
/// whole elements apart.
array adopt(Foreign memory, bool may_copy, const char* op);
[[noreturn]] void unsupported_dtype(const std::string& name, const char* op);

/// The copy that copy=False forbids. asarray has it as a ValueError,
/// from_dlpack as a BufferError, as the array API standard says.
class NeedsCopy : public std::invalid_argument {
 public:
  NeedsCopy(const char* op, const std::string& why)
      : std::invalid_argument(std::string("[") + op +
                              "] copy=False, but a copy is needed: " + why +
                              ".") {}
};

/// What another library says about its memory, none of it trusted
/// (foreign.cpp). shape and strides may be null; a stride counts stride_unit
/// bytes.
template <class Int>
struct Description {
  const void* data;
  uint64_t byte_offset;
  int64_t ndim;
  const Int* shape;
  const Int* strides;
  int64_t stride_unit;
};
/// The memory, if the whole description makes sense; otherwise a BufferError
/// names the wrong field. The caller gives it an owner.
template <class Int>
Foreign checked_memory(const Description<Int>& said, Dtype dtype,
                       const char* op);
/// Throws BufferError about a field.
[[noreturn]] void malformed(const char* op, const std::string& what);

/// From the buffer protocol (buffer.cpp), or why upsweep has no such elements.
/// If dtype is given, it replaces the dtype of the format. Throws the error of
/// an object that refuses its buffer.
std::variant<Foreign, std::string> from_buffer(nb::handle h,
                                               std::optional<Dtype> dtype,
                                               const char* op);
/// From an object with __dlpack__ (dlpack.cpp).
Foreign from_dlpack(nb::handle h, bool may_copy, const char* op);
/// Whether h is a Python number.
bool is_number(nb::handle h);
/// Whether h is a Python number or a sequence that from_sequence takes.
bool is_number_or_sequence(nb::handle h);
/// As to_array; but sequences of numbers take the dtype, if that has numbers of
/// their kind.
array to_array_like(nb::handle h, Dtype dtype, const char* op);
/// A Python number, or nested sequences of numbers and arrays (sequence.cpp).
array from_sequence(nb::handle h, std::optional<Dtype> dtype, const char* op);

/// Calls f, which gives a stream work on a. That waits while the stream is far
/// behind; other threads can run meanwhile.
template <class F>
array give_work(const array& a, F&& f) {
  // Work on the calling thread that costs less than releasing the GIL.
  constexpr int64_t kSmall = 1 << 16;
  if (a.size() <= kSmall && a.is_ready()) return f();
  WithoutGil released;
  return f();
}

/// Whether an argument is memory that its owner may change once a call is over.
inline bool may_change(nb::handle h) {
  return !(h.is_none() || is_array(h) || is_number_or_sequence(h) ||
           nb::isinstance<Carry>(h));
}

/// f of one argument that is an array or array-like. Waits for a result
/// computed from an array-like, so that its owner may change it afterwards.
template <class F>
array apply(nb::handle a, const char* op, F&& f) {
  if (is_array(a)) return f(as_array(a));
  array out = f(to_array(a, op));
  wait(out);
  return out;
}

// Elements (export.cpp).
/// One element as a Python number; at points at it.
nb::object element(const void* at, Dtype dtype);
/// The only element as a Python number; throws if there is not one.
nb::object item(const array& a);

}  // namespace upsweep::python
