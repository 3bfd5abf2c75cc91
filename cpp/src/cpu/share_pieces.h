// Shares pieces of work among threads that each have memory of their own.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../host/pool.h"

namespace upsweep {

// Calls fn(i, scratch) for all i below count, on as many threads as have
// memory, and end() at the end of each thread.
template <class Scratch, class Fn, class End>
void share_pieces(int64_t count,
                  const std::vector<std::unique_ptr<Scratch>>& scratch,
                  const Fn& fn, const End& end) {
  int threads = static_cast<int>(scratch.size());
  std::atomic<int64_t> taken{0};
  std::atomic<size_t> started{0};
  // Small pieces are taken several at once.
  int64_t grain = std::clamp<int64_t>(count / (threads * 16), 1, 64);
  pool().run(threads, [&] {
    Scratch& mine = *scratch[started.fetch_add(1)];
    for (int64_t first; (first = taken.fetch_add(grain)) < count;) {
      int64_t last = std::min(first + grain, count);
      for (int64_t i = first; i < last; ++i) fn(i, mine);
    }
    end();
  });
}

}  // namespace upsweep
