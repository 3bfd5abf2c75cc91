// Pool: threads that share one piece of work and sleep in between.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace upsweep {

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads) {}
  ~Pool();

  // The calling thread counts.
  int threads() const { return threads_.load(std::memory_order_relaxed); }
  // Work that is under way keeps its threads.
  void set_threads(int threads) { threads_ = threads; }

  // Calls fn on up to `threads` threads at once, including this one, and
  // returns when all have returned. If the pool is busy with another stream's
  // work, only this thread calls it: two streams then share the processors
  // instead of competing for them. fn must not throw, and must finish its work
  // however few threads call it.
  void run(int threads, const std::function<void()>& fn);

 private:
  void worker_loop();

  std::atomic<int> threads_;
  std::mutex busy_;  // held by the thread that is in run()

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  std::vector<std::thread> workers_;
  const std::function<void()>* fn_ = nullptr;
  int wanted_ = 0;   // workers still to join
  int running_ = 0;  // workers that have joined and not returned
  bool stopped_ = false;
};

// The pool has UPSWEEP_NUM_THREADS threads or, without that variable, one for
// each processor that this process may use.
Pool& pool();

// How many threads pay off for this many elements.
int threads_for(int64_t elements);

// Calls fn(first, last) for ranges that together cover 0 to size, on several
// threads if that pays off; one index costs as much as `cost` elements. fn must
// not throw.
void for_ranges(int64_t size, const std::function<void(int64_t, int64_t)>& fn,
                int64_t cost = 1);

}  // namespace upsweep
