// The cache of freed buffers. Sizes are rounded up to a few classes, so that a
// freed buffer fits the next array of about the same size.
#include "allocator.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "upsweep/error.h"

// Tells AddressSanitizer which memory is free; without it, does nothing.
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, nbytes) ((void)(data), (void)(nbytes))
#define ASAN_UNPOISON_MEMORY_REGION(data, nbytes) ((void)(data), (void)(nbytes))
#endif

namespace upsweep {

namespace {

// Powers of two, and three steps between neighbouring ones.
size_t size_class(size_t nbytes) {
  if (nbytes <= 256) return (std::max<size_t>(nbytes, 1) + 63) / 64 * 64;
  size_t step = std::bit_floor(nbytes - 1) / 4;
  return (nbytes + step - 1) / step * step;
}

// Only the first `used` bytes of a buffer may be touched.
void mark_used(const Allocator::Source& source, void* data, size_t size,
               size_t used) {
  if (!source.addressable) return;
  ASAN_POISON_MEMORY_REGION(data, size);
  ASAN_UNPOISON_MEMORY_REGION(data, used);
}

}  // namespace

void* Allocator::allocate(size_t nbytes, const Source& source) {
  auto no_memory = [&](const std::string& why) {
    return OutOfMemory("[malloc] Unable to allocate " + std::to_string(nbytes) +
                       " bytes: " + why);
  };
  std::lock_guard lock(mutex_);
  // Refuse absurd sizes before rounding up, which would overflow.
  size_t free = memory_limit_ - std::min(active_, memory_limit_);
  if (nbytes > free || size_class(nbytes) > free) {
    throw no_memory(std::to_string(active_) + " are in use, and the limit is " +
                    std::to_string(memory_limit_) +
                    " (set_memory_limit changes it).");
  }
  size_t size = size_class(nbytes);
  void* data = take_cached(size, source);
  if (!data) {
    if (cached_ > memory_limit_ - std::min(active_ + size, memory_limit_)) {
      shrink_cache(0);
    }
    data = source.allocate(size);
  }
  if (!data && cached_ > 0) {
    shrink_cache(0);
    data = source.allocate(size);
  }
  if (!data) throw no_memory("the system has no more.");
  mark_used(source, data, size, nbytes);
  active_ += size;
  peak_ = std::max(peak_, active_);
  return data;
}

void Allocator::free(void* data, size_t nbytes, const Source& source) noexcept {
  size_t size = size_class(nbytes);
  std::lock_guard lock(mutex_);
  mark_used(source, data, size, 0);
  active_ -= size;
  try {
    cache_[{size, &source}].push_back(data);
    cached_ += size;
  } catch (const std::bad_alloc&) {
    source.free(data, size);
  }
  shrink_cache(cache_limit_);
}

void* Allocator::take_cached(size_t size, const Source& source) {
  auto found = cache_.find({size, &source});
  if (found == cache_.end() || found->second.empty()) return nullptr;
  void* data = found->second.back();
  found->second.pop_back();
  cached_ -= size;
  return data;
}

// Frees the largest buffers first: they return the most memory, and allocating
// them again costs the least per byte.
void Allocator::shrink_cache(size_t limit) noexcept {
  while (cached_ > limit) {
    auto largest = std::prev(cache_.end());
    auto [size, source] = largest->first;
    while (!largest->second.empty() && cached_ > limit) {
      source->free(largest->second.back(), size);
      largest->second.pop_back();
      cached_ -= size;
    }
    if (largest->second.empty()) cache_.erase(largest);
  }
}

size_t Allocator::locked(const size_t& counter) const {
  std::lock_guard lock(mutex_);
  return counter;
}

void Allocator::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = active_;
}

void Allocator::clear_cache() {
  std::lock_guard lock(mutex_);
  shrink_cache(0);
}

size_t Allocator::set_memory_limit(size_t nbytes) {
  std::lock_guard lock(mutex_);
  return std::exchange(memory_limit_, nbytes);
}

size_t Allocator::set_cache_limit(size_t nbytes) {
  std::lock_guard lock(mutex_);
  shrink_cache(nbytes);
  return std::exchange(cache_limit_, nbytes);
}

}  // namespace upsweep
