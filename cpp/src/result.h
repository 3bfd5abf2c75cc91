// Where operations begin: the stream they run on, an array for the result, and
// errors that begin with the name of the operation.
#pragma once

#include <stdexcept>
#include <string>

#include "upsweep/array.h"

namespace upsweep {

// As to_stream, in the name of an operation.
Stream stream_for(const char* op, StreamOrDevice s);

// An array for work of the stream to write. Throws OutOfMemory, but only once
// all work that the stream was given before has let go of its memory.
array make_result(const char* op, const Shape& shape, Dtype dtype,
                  Stream stream);

// "[malloc] Unable to …" in the name of an operation: "[cumsum] Unable to …".
std::string renamed(const char* op, const std::string& error);

// Calls f, whose errors come out in the name of the operation: those of what
// the operation is made of would name things that the caller has not called.
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

}  // namespace upsweep
