// The allocator that all devices share, and how much memory and cache the
// machine has.
#pragma once

#include <functional>

#include "allocator.h"

namespace upsweep {

// Bytes of memory of the machine, or of this process's control group if less.
size_t physical_memory();
// Whether results of so many bytes bypass the cache: it would evict them before
// anything reads them.
bool is_streamed(size_t nbytes);

// Counts the memory of all devices and holds their freed buffers. Main memory
// is its default source; devices bring sources of their own.
Allocator& global_allocator();

// What else keeps memory for later frees it in `free`, which free_kept calls.
void when_cleared(std::function<void()> free);
// It may wait for a device, so nothing may be locked.
void free_kept();

}  // namespace upsweep
