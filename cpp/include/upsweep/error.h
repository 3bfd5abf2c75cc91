// The exceptions the library throws; it never prints and never aborts.
#pragma once

#include <new>
#include <stdexcept>
#include <string>

namespace upsweep {

// An argument out of its range is std::out_of_range, an argument with a wrong
// value std::invalid_argument, and a device or stream that cannot do the work
// std::runtime_error. In Python they are IndexError, ValueError and
// RuntimeError.

/// An argument of a type that the operation does not accept (Python:
/// TypeError).
class TypeError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// An allocation that exceeds the limit or the memory of the machine (Python:
/// MemoryError).
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

}  // namespace upsweep
