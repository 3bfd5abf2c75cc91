// The public counters and limits.
#include "upsweep/memory.h"

#include "host/memory.h"

namespace upsweep {

size_t get_active_memory() { return global_allocator().active(); }
size_t get_peak_memory() { return global_allocator().peak(); }
void reset_peak_memory() { global_allocator().reset_peak(); }
size_t get_cache_memory() { return global_allocator().cached(); }
void clear_cache() {
  free_kept();
  global_allocator().clear_cache();
}
size_t set_memory_limit(size_t bytes) {
  return global_allocator().set_memory_limit(bytes);
}
size_t get_memory_limit() { return global_allocator().memory_limit(); }
size_t set_cache_limit(size_t bytes) {
  return global_allocator().set_cache_limit(bytes);
}

}  // namespace upsweep
