// Allocator: memory from one or several sources, with a cache of freed buffers,
// counters and limits.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace upsweep {

class Allocator {
 public:
  // Where buffers come from. allocate returns nullptr if there is no memory,
  // otherwise its address, or any handle if it is not addressable.
  struct Source {
    std::function<void*(size_t nbytes)> allocate;
    std::function<void(void* data, size_t nbytes)> free;
    bool addressable = true;
  };

  Allocator(Source source, size_t memory_limit)
      : source_(std::move(source)),
        memory_limit_(memory_limit),
        cache_limit_(memory_limit) {}

  // At least nbytes, aligned to 64 bytes; throws OutOfMemory. free takes the
  // same nbytes.
  void* allocate(size_t nbytes) { return allocate(nbytes, source_); }
  void free(void* data, size_t nbytes) noexcept { free(data, nbytes, source_); }
  // The same from another source, under the same counters and limits.
  void* allocate(size_t nbytes, const Source& source);
  void free(void* data, size_t nbytes, const Source& source) noexcept;

  size_t active() const { return locked(active_); }
  size_t peak() const { return locked(peak_); }
  size_t cached() const { return locked(cached_); }
  size_t memory_limit() const { return locked(memory_limit_); }
  void reset_peak();
  void clear_cache();
  size_t set_memory_limit(size_t nbytes);
  size_t set_cache_limit(size_t nbytes);

  // Held around a fork, so that the child sees no half-made change.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  size_t locked(const size_t& counter) const;
  void* take_cached(size_t size, const Source& source);
  void shrink_cache(size_t limit) noexcept;

  Source source_;
  mutable std::mutex mutex_;
  // By buffer size, and then by source.
  std::map<std::pair<size_t, const Source*>, std::vector<void*>> cache_;
  size_t active_ = 0;
  size_t peak_ = 0;
  size_t cached_ = 0;
  size_t memory_limit_;
  size_t cache_limit_;
};

}  // namespace upsweep
