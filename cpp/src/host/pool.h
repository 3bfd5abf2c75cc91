// Pool: the threads that share one piece of work, asleep in between.
#pragma once

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
  int threads() const { return threads_; }

  // Calls fn on up to `threads` threads at once, this one among them, and
  // returns when all have returned. Where the pool is busy with another
  // stream's work, this thread does it alone: two streams then use the
  // processors side by side instead of on top of each other. fn must not throw
  // and must get all of its work done however few threads call it.
  void run(int threads, const std::function<void()>& fn);

 private:
  void worker_loop();

  const int threads_;
  std::mutex busy_;  // held by the thread that runs something

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  std::vector<std::thread> workers_;
  const std::function<void()>* fn_ = nullptr;
  int wanted_ = 0;   // workers that are still to join in
  int running_ = 0;  // workers that have joined in and not returned
  bool stopped_ = false;
};

// As many threads as UPSWEEP_NUM_THREADS says, else as processors that this
// process may run on.
Pool& pool();

// Threads that work on so many elements is worth waking.
int threads_for(int64_t elements);

// Calls fn(first, last) for ranges that make up 0 to size, on several threads
// where there are many elements. fn must not throw.
void for_ranges(int64_t size, const std::function<void(int64_t, int64_t)>& fn);

}  // namespace upsweep
