// What the binding files share: their registration, and the conversion of
// arguments between Python and the core.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <optional>
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
void init_views(nb::module_& m);
void init_ops(nb::module_& m);
void init_scan(nb::module_& m);
void init_memory(nb::module_& m);
void init_function(nb::module_& m);

// Parts of class array.
using ArrayClass = nb::class_<array>;
void bind_views(ArrayClass& c);     // views.cpp
void bind_export(ArrayClass& c);    // export.cpp
void bind_pickle(ArrayClass& c);    // pickle.cpp
void bind_dlpack(ArrayClass& c);    // dlpack.cpp
void bind_scans(ArrayClass& c);     // scan.cpp
extern PyType_Slot buffer_slots[];  // buffer.cpp

// Arguments (arguments.cpp). Each throws a TypeError that names the operation
// and the argument where the type is wrong.
std::string type_of(nb::handle h);
bool to_bool(nb::handle h, const char* op, const char* name);
double to_double(nb::handle h, const char* op, const char* name);
int64_t to_int64(nb::handle h, const char* op, const char* name);
/// An axis of a; what int cannot hold is out of bounds anyway.
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

// Dtypes (dtype.cpp); the Python objects are one for each dtype.
nb::object dtype_object(Dtype dtype);
Dtype to_dtype(nb::handle h, const char* op);
std::optional<Dtype> to_optional_dtype(nb::handle h, const char* op);

// Streams (device.cpp).
StreamOrDevice to_stream_or_device(nb::handle h, const char* op);

/// The C++ object in an instance of a bound class. __new__ alone leaves one
/// without.
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
/// Waits for a without holding the GIL, which costs nothing where a is ready.
void wait(const array& a);
/// The same until the processors can read it; its address.
const void* wait_for_data(const array& a);

// The GIL (gil.cpp).
/// Has release functions of adopted memory run with it, as is own's.
void init_releases();
/// Gives it up for as long as this lives.
class WithoutGil {
 public:
  WithoutGil();
  ~WithoutGil();
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};
/// The owner of something of Python's: release(object) runs with the GIL,
/// whichever thread lets go last, and not at all once the interpreter is on its
/// way out.
std::shared_ptr<void> own(void* object, void (*release)(void*));
/// Says that the interpreter is on its way out; waits for those who have asked
/// for the GIL, if they can still get it.
void stop_asking_for_gil(bool wait_for_others);

// Array-likes (convert.cpp): shared where that is possible, copied elsewhere.
array to_array(nb::handle h, const char* op);
/// The same as dtype; copy says must (true), must not (false), or may.
array to_array(nb::handle h, std::optional<Dtype> dtype,
               std::optional<bool> copy, const char* op);
/// Memory of another library that makes sense, described in bytes.
struct Foreign {
  const void* data;
  Shape shape;
  Strides byte_strides;
  Dtype dtype;
  std::shared_ptr<void> owner;
  // For memory of a GPU: the stream that may read it.
  std::optional<Stream> stream;
};
/// Foreign memory as an array; a copy where its elements are not aligned or do
/// not lie whole elements apart.
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

/// What another library says of its memory, none of which is to be trusted
/// (foreign.cpp). The arrays may be missing; strides are in units of so many
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
/// The memory, once all of the description is found to make sense; BufferError
/// names the field that does not. The caller gives it an owner.
template <class Int>
Foreign checked_memory(const Description<Int>& said, Dtype dtype,
                       const char* op);
/// Throws BufferError about a field.
[[noreturn]] void malformed(const char* op, const std::string& what);

/// From the buffer protocol (buffer.cpp), or why its elements are none of
/// upsweep's; dtype, where given, is what those of its format mean. Throws the
/// error of an object that does not offer its buffer.
std::variant<Foreign, std::string> from_buffer(nb::handle h,
                                               std::optional<Dtype> dtype,
                                               const char* op);
/// From an object with __dlpack__ (dlpack.cpp).
Foreign from_dlpack(nb::handle h, bool may_copy, const char* op);
/// Whether h is a Python number or a sequence that from_sequence takes.
bool is_number_or_sequence(nb::handle h);
/// A Python number, or nested sequences of numbers and arrays (sequence.cpp).
array from_sequence(nb::handle h, std::optional<Dtype> dtype, const char* op);

/// Calls f, which gives a stream work on a. Where a stream is far behind that
/// may wait, and other threads run meanwhile.
template <class F>
array give_work(const array& a, F&& f) {
  // What the calling thread does itself costs less than giving up the GIL.
  constexpr int64_t kSmall = 1 << 16;
  if (a.size() <= kSmall && a.is_ready()) return f();
  WithoutGil released;
  return f();
}

/// f of one argument that is an array or array-like. A result computed from an
/// array-like is waited for, so that its owner may change it afterwards.
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

}  // namespace upsweep::python
