// What every operation starts with: its stream, an array for the result, and
// errors that carry its name.
#pragma once

#include <stdexcept>
#include <string>

#include "upsweep/array.h"

namespace upsweep {

// Like to_stream, but errors name the operation.
Stream stream_for(const char* op, StreamOrDevice s);

// An array that work on the stream will write, in the given memory if there is
// some.
array make_result(const char* op, const Shape& shape, Dtype dtype,
                  Stream stream, ResultMemory into = {});
// The same for what the caller gets, not for what is between two steps. Throws
// std::runtime_error if the stream is captured and there is no memory.
array make_final_result(const char* op, const Shape& shape, Dtype dtype,
                        Stream stream, ResultMemory into);

// Waits until the stream has finished its work, successfully or not.
void wait_until_idle(Stream stream);

// Puts the operation's name on an error: "[malloc] Unable to …" becomes
// "[cumsum] Unable to …".
std::string renamed(const char* op, const std::string& error);

// Calls f and renames its errors: operations call each other, and an error must
// name the one that the caller called.
template <class F>
decltype(auto) with_op_name(const char* op, const F& f) {
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

// Calls f, which allocates a result and gives the stream the work for it. If
// memory runs out, earlier work may hold it: waits for that work and calls f
// once more.
template <class F>
array produce(const char* op, Stream stream, const F& f) {
  return with_op_name(op, [&] {
    try {
      return f();
    } catch (const OutOfMemory&) {
      wait_until_idle(stream);
    }
    return f();
  });
}

}  // namespace upsweep
