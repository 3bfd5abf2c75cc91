// Where operations begin: the stream they run on, an array for the result, and
// errors that begin with the name of the operation.
#pragma once

#include <stdexcept>
#include <string>

#include "upsweep/array.h"

namespace upsweep {

// As to_stream, in the name of an operation.
Stream stream_for(const char* op, StreamOrDevice s);

// An array for work of the stream to write.
array make_result(const char* op, const Shape& shape, Dtype dtype,
                  Stream stream);

// Waits until the stream has nothing left to do, whatever became of its work.
void wait_until_idle(Stream stream);

// "[malloc] Unable to …" in the name of an operation: "[cumsum] Unable to …".
std::string renamed(const char* op, const std::string& error);

// Calls f and renames its errors: an operation is made of others, and those are
// not what the caller has called.
template <class F>
decltype(auto) in_the_name_of(const char* op, const F& f) {
  try {
    return f();
  } catch (const OutOfMemory& e) {
    throw OutOfMemory(renamed(op, e.what()));
  } catch (const TypeError& e) {
    throw TypeError(renamed(op, e.what()));
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(renamed(op, e.what()));
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(renamed(op, e.what()));
  }
}

// Calls f, which allocates a result and gives the stream the work for it. Where
// memory is short, the work before may hold it: f is called once more when that
// is done.
template <class F>
array produce(const char* op, Stream stream, const F& f) {
  return in_the_name_of(op, [&] {
    try {
      return f();
    } catch (const OutOfMemory&) {
      wait_until_idle(stream);
    }
    return f();
  });
}

}  // namespace upsweep
