// Main memory for arrays, in huge pages for large buffers.
#include "memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <utility>
#include <vector>

namespace upsweep {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;

void* allocate_main_memory(size_t nbytes) {
  bool large = nbytes >= 2 * kHugePage;
  void* data = nullptr;
  if (posix_memalign(&data, large ? kHugePage : 64, nbytes) != 0) {
    return nullptr;
  }
#ifdef MADV_HUGEPAGE
  // Fewer page faults at the first touch; if the system refuses, nothing is
  // lost.
  if (large) madvise(data, nbytes, MADV_HUGEPAGE);
#endif
  return data;
}

// Bytes that the last level of the cache holds.
size_t cache_size() {
  // The C library would count the caches of all processors.
  static const size_t size = [] {
    size_t kilobytes = 0;
    std::ifstream("/sys/devices/system/cpu/cpu0/cache/index3/size") >>
        kilobytes;
    return kilobytes > 0 ? kilobytes << 10 : size_t{8} << 20;
  }();
  return size;
}

// Never destroyed: threads may outlive the end of main.
struct Kept {
  std::mutex mutex;
  std::vector<std::function<void()>> frees;
};
Kept& kept() {
  static Kept& instance = *new Kept;
  return instance;
}

}  // namespace

void when_cleared(std::function<void()> free) {
  std::lock_guard lock(kept().mutex);
  kept().frees.push_back(std::move(free));
}

void free_kept() {
  std::unique_lock lock(kept().mutex);
  std::vector<std::function<void()>> frees = kept().frees;
  lock.unlock();
  for (const auto& free : frees) {
    try {
      free();
    } catch (const std::exception&) {
      // What cannot be freed now is only kept for longer.
    }
  }
}

size_t physical_memory() {
  size_t bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) *
                 static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const char* path : {"/sys/fs/cgroup/memory.max",
                           "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    size_t limit = 0;
    if (std::ifstream(path) >> limit && limit > 0) {
      bytes = std::min(bytes, limit);
    }
  }
  return bytes;
}

bool is_streamed(size_t nbytes) {
  // A very large cache is shared with other processors and, on a server, with
  // other machines. With 480 MiB, results of 64 MB and more take a fifth less
  // time past it, and results of 32 MB as long.
  constexpr size_t kShareOfOne = size_t{48} << 20;
  return nbytes >= std::min(cache_size() / 2, kShareOfOne);
}

Allocator& global_allocator() {
  // Never destroyed: arrays with static lifetime may outlive it.
  static Allocator& allocator = [&]() -> Allocator& {
    pthread_atfork([] { global_allocator().lock(); },
                   [] { global_allocator().unlock(); },
                   [] { global_allocator().unlock(); });
    return *new Allocator(
        {allocate_main_memory, [](void* data, size_t) { std::free(data); }},
        physical_memory());
  }();
  return allocator;
}

}  // namespace upsweep
