// StreamingStoreBuffer: writes results to memory past the cache.
#pragma once

#include <algorithm>

#include "kernels.h"
#include "simd.h"

namespace upsweep {
namespace {

// Elements from `at` to the next cache line.
template <class U>
int64_t to_next_line(const U* at) {
  auto misplaced = reinterpret_cast<uintptr_t>(at) % 64;
  return static_cast<int64_t>((64 - misplaced) % 64 / sizeof(U));
}

// Copies whole cache lines past the cache and the ends through it.
template <class U>
void stream_copy(U* to, const U* from, int64_t n) {
#if defined(__x86_64__)
  constexpr int64_t line = 64 / sizeof(U);
  int64_t head = std::min(n, to_next_line(to));
  int64_t body = (n - head) / line * line;
  std::memcpy(to, from, static_cast<size_t>(head) * sizeof(U));
  for (int64_t i = head; i < head + body; i += line) {
    stream(to + i, Pack<U, line>::load(from + i));
  }
  int64_t done = head + body;
  std::memcpy(to + done, from + done,
              static_cast<size_t>(n - done) * sizeof(U));
#else
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
#endif
}

// Holds up to kRows rows of results and writes them piece by piece while the
// next rows are computed: memory could not take them all at once.
template <class U>
class StreamingStoreBuffer {
 public:
  StreamingStoreBuffer() = default;
  StreamingStoreBuffer(const StreamingStoreBuffer&) = delete;
  ~StreamingStoreBuffer() { flush(); }

  // The buffer for the next results.
  U* buffer() { return buffers_[next_]; }

  // Starts to write n elements of the buffer to `to`.
  void send(U* to, int64_t n) {
    flush();
    const U* from = buffer();
    next_ = 1 - next_;
    int64_t head = std::min(n, to_next_line(to));
    std::memcpy(to, from, static_cast<size_t>(head) * sizeof(U));
    to_ = to + head;
    from_ = from + head;
    left_ = n - head;
  }

  // Writes n elements, whole cache lines, if that many remain.
  template <int n>
  UPSWEEP_INLINE void write() {
    if (left_ < n) return;
    U* to = to_;
    const U* from = from_;
    to_ += n;
    from_ += n;
    left_ -= n;
    unrolled<n* int{sizeof(U)} / 64>([&](int i) UPSWEEP_INLINE {
      constexpr int line = 64 / sizeof(U);
      stream(to + i * line, Pack<U, line>::load(from + i * line));
    });
  }

  void flush() {
    if (left_ > 0) stream_copy(to_, from_, left_);
    left_ = 0;
  }

 private:
  alignas(64) U buffers_[2][kRows * kLanes<U>];
  int next_ = 0;
  U* to_ = nullptr;
  const U* from_ = nullptr;
  int64_t left_ = 0;
};

}  // namespace
}  // namespace upsweep
