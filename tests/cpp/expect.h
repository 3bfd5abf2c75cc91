// Expected results and errors of the public functions, and the devices to check
// them on.
#pragma once

#include <cstring>
#include <initializer_list>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "upsweep/upsweep.h"

namespace upsweep {

// Whether a result has this dtype, this shape and these bits, in row-major
// order: the sign of a zero counts, and so does the NaN.
template <Element T>
bool holds(const array& result, const T* expected, const Shape& shape) {
  if (result.dtype() != dtype_of<T> || result.shape() != shape) return false;
  if (result.size() == 0) return true;
  return result.is_contiguous() &&
         std::memcmp(result.raw_data(), expected, result.nbytes()) == 0;
}
template <Element T>
bool holds(const array& result, std::initializer_list<T> expected,
           const Shape& shape) {
  return static_cast<size_t>(result.size()) == expected.size() &&
         holds(result, expected.begin(), shape);
}
template <Element T>
bool holds(const array& result, std::initializer_list<T> expected) {
  return holds(result, expected, {static_cast<int64_t>(expected.size())});
}
template <Element T>
bool holds(const array& result, const std::vector<T>& expected) {
  return holds(result, expected.data(),
               {static_cast<int64_t>(expected.size())});
}

// Whether f throws exactly an Error, whose message names the operation and the
// argument.
template <class Error, class F>
bool fails(const char* op, const char* argument, const F& f) {
  try {
    f();
  } catch (const std::exception& error) {
    std::string text = error.what();
    return typeid(error) == typeid(Error) &&
           text.starts_with("[" + std::string(op) + "] ") &&
           text.find(argument) != std::string::npos;
  }
  return false;
}

// Calls f with each device as the default one.
template <class F>
void on_every_device(const F& f) {
  for (DeviceType type : {DeviceType::cpu, DeviceType::gpu}) {
    if (!is_available(type)) continue;
    StreamContext context{Device(type)};
    f();
  }
}

}  // namespace upsweep
