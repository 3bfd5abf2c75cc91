// Memory counters and limits, in bytes, for all devices together.
#pragma once

#include <cstddef>

namespace upsweep {

/// Bytes that arrays hold now. Memory adopted from elsewhere does not count.
size_t get_active_memory();
/// The largest get_active_memory() since the start or reset_peak_memory().
size_t get_peak_memory();
void reset_peak_memory();
/// Bytes of freed buffers that are kept for the next array.
size_t get_cache_memory();
/// Returns the cached buffers to the system, and what the kernels of an NVIDIA
/// GPU keep between them, for which it waits until the GPU is idle.
void clear_cache();

/// An allocation that would take active memory over the limit throws
/// OutOfMemory. The limit starts as the memory of the machine (or of its
/// control group). Returns the previous limit.
size_t set_memory_limit(size_t bytes);
size_t get_memory_limit();
/// Freed buffers above this limit return to the system. Returns the previous
/// limit.
size_t set_cache_limit(size_t bytes);

/// For bindings to languages with a lock of their own, such as Python's GIL.
/// When a stream's work held the last reference to adopted memory
/// (array::adopt), a thread of the library, or one that waits for a result,
/// calls the release function. It calls `around`, which calls run() with that
/// lock held, or not at all once the interpreter is shutting down.
void run_releases_within(void (*around)(void (*run)()));

}  // namespace upsweep
