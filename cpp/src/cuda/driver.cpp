// Finds the driver, and turns its errors into exceptions.
#include "driver.h"

#include <dlfcn.h>

#include <stdexcept>

#include "kernels.h"
#include "upsweep/error.h"

namespace upsweep::cuda {

namespace {

// 13000 is 13.0.
std::string to_text(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

struct Found {
  Driver functions;
  bool usable = false;
  std::string why_not;
};

std::string why(const Driver& functions, int result) {
  const char* text = nullptr;
  functions.error_string(result, &text);
  return text ? text : "error " + std::to_string(result);
}

Found load() {
  Found found{};
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* error = dlerror();
    std::string text = error ? error : "";
    bool is_missing = text.find("No such file") != std::string::npos;
    found.why_not = is_missing ? "no NVIDIA driver (libcuda.so.1) was found"
                               : "the NVIDIA driver was not loaded: " + text;
    return found;
  }
#define UPSWEEP_FIND(name, symbol, ...)                                 \
  found.functions.name =                                                \
      reinterpret_cast<int (*)(__VA_ARGS__)>(dlsym(library, #symbol));  \
  if (!found.functions.name) {                                          \
    found.why_not = "the NVIDIA driver is too old, it has no " #symbol; \
    return found;                                                       \
  }
  UPSWEEP_CUDA_FUNCTIONS(UPSWEEP_FIND)
#undef UPSWEEP_FIND
  found.functions.stream_id = reinterpret_cast<decltype(Driver::stream_id)>(
      dlsym(library, "cuStreamGetId"));
  const Driver& functions = found.functions;
  int version = 0, needed = kernels_version() / 1000 * 1000;
  if (int result = functions.init(0); result != kSuccess) {
    found.why_not = "the NVIDIA driver says: " + why(functions, result);
  } else if (functions.driver_version(&version); version < needed) {
    found.why_not = "the NVIDIA driver is too old, it knows CUDA " +
                    to_text(version) + " and the kernels need " +
                    to_text(needed);
  } else {
    found.usable = true;
  }
  return found;
}

const Found& loaded() {
  static const Found found = load();
  return found;
}

}  // namespace

const Driver* find_driver() {
  return loaded().usable ? &loaded().functions : nullptr;
}

const std::string& why_no_driver() { return loaded().why_not; }

const Driver& driver() { return loaded().functions; }

void check(int result, const char* doing) {
  if (result == kSuccess) return;
  std::string text =
      std::string("[cuda] ") + doing + ": " + why(driver(), result) + ".";
  if (result == kOutOfMemory) throw OutOfMemory(text);
  throw std::runtime_error(text);
}

}  // namespace upsweep::cuda
