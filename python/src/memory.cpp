// Memory counters and limits, and the number of threads.
#include <algorithm>

#include "bindings.h"

namespace upsweep::python {

namespace {

size_t to_bytes(nb::handle h, const char* op) {
  int64_t bytes = to_int64(h, op, "limit");
  if (bytes < 0) {
    throw std::invalid_argument(std::string("[") + op +
                                "] limit must not be negative.");
  }
  return static_cast<size_t>(bytes);
}

}  // namespace

void init_memory(nb::module_& m) {
  m.def("get_active_memory", &get_active_memory,
        nb::sig("def get_active_memory() -> int"),
        "Bytes that arrays hold now; memory shared with other libraries does "
        "not count.");
  m.def("get_peak_memory", &get_peak_memory,
        nb::sig("def get_peak_memory() -> int"),
        "The largest :func:`get_active_memory` since the start or "
        ":func:`reset_peak_memory`.");
  m.def("reset_peak_memory", &reset_peak_memory,
        nb::sig("def reset_peak_memory() -> None"),
        "Resets :func:`get_peak_memory` to what is active now.");
  m.def("get_cache_memory", &get_cache_memory,
        nb::sig("def get_cache_memory() -> int"),
        "Bytes of freed buffers that are kept for the next array.");
  m.def(
      "clear_cache",
      [] {
        WithoutGil released;
        clear_cache();
      },
      nb::sig("def clear_cache() -> None"),
      "Returns the cached buffers to the system, and what the kernels of an "
      "NVIDIA GPU keep\nbetween them, for which it waits until the GPU is "
      "idle.");
  m.def(
      "set_memory_limit",
      [](nb::handle limit) {
        return set_memory_limit(to_bytes(limit, "set_memory_limit"));
      },
      nb::arg("limit"), nb::sig("def set_memory_limit(limit: int) -> int"), R"(
Sets the limit of active memory in bytes and returns the previous one. An array
that would exceed it raises MemoryError, and nothing is lost.

The limit starts as the memory of the machine, or of its control group.)");
  m.def("get_memory_limit", &get_memory_limit,
        nb::sig("def get_memory_limit() -> int"),
        "The limit of active memory in bytes.");
  m.def(
      "set_cache_limit",
      [](nb::handle limit) {
        return set_cache_limit(to_bytes(limit, "set_cache_limit"));
      },
      nb::arg("limit"), nb::sig("def set_cache_limit(limit: int) -> int"),
      "Sets how many bytes of freed buffers are kept, and returns the previous "
      "limit.");
  m.def("get_num_threads", &get_num_threads,
        nb::sig("def get_num_threads() -> int"),
        "How many threads work of the CPU may use: at first "
        "``UPSWEEP_NUM_THREADS``, or one for each usable processor.");
  m.def(
      "set_num_threads",
      [](nb::handle n) {
        int64_t wanted = to_int64(n, "set_num_threads", "n");
        return set_num_threads(
            static_cast<int>(std::clamp<int64_t>(wanted, -1, 1 << 30)));
      },
      nb::arg("n").none(), nb::sig("def set_num_threads(n: int) -> int"), R"(
Sets how many threads work of the CPU may use, and returns the previous number.
Results never depend on it.

Raises:
    ValueError: n is not between 1 and 1024.)");
}

}  // namespace upsweep::python
