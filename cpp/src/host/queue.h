// HostQueue: work for the processors in order, with a thread of its own. Every
// stream has one.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>

#include "../core/backend.h"
#include "upsweep/float_mode.h"

namespace upsweep {

class HostQueue {
 public:
  // Runs work here and now where it is small, the stream is idle and the inputs
  // are there, because a hop to another thread would take longer than the work.
  // Returns whether it did; otherwise the work is to be queued.
  template <class Run>
  bool try_run(const Run& run, std::span<const StoragePtr> inputs,
               Storage& output, int64_t elements) {
    if (!claim(inputs, elements)) return false;
    std::exception_ptr error = attempt(run, inputs);
    std::lock_guard lock(mutex_);
    settle(std::move(error), output);
    return true;
  }
  // Queues work for the stream's thread. Where the system has no thread to
  // give, the caller does all that is queued.
  void queue(Work work);

  // Runs or queues work, after waiting for room.
  void run(Work work);

  // Waits while the stream is far behind: work that comes in faster than it is
  // done would fill the memory with what it holds. The caller must not hold a
  // lock that the work may need.
  void wait_for_room();
  // Waits until all work is done, whatever became of it.
  void wait_until_idle();

  // Waits for all work that the stream has been given so far; throws the first
  // error since the last time.
  void synchronize();

 private:
  // Makes the stream busy, if try_run may run the work.
  bool claim(std::span<const StoragePtr> inputs, int64_t elements);
  // Makes it idle, and the output readable; the mutex is held.
  void settle(std::exception_ptr error, Storage& output);
  // Runs the first of the queue. The mutex is held before and after.
  void run_first(std::unique_lock<std::mutex>& lock);
  // Whether the stream has a thread, which this starts; the mutex is held.
  bool has_thread();

  // Runs the work once its inputs are there; returns its error.
  template <class Run>
  static std::exception_ptr attempt(const Run& run,
                                    std::span<const StoragePtr> inputs) {
    FloatMode mode;
    try {
      for (const StoragePtr& in : inputs) in->ready().wait();
      run();
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }

  std::mutex mutex_;
  std::condition_variable queued_;  // for the thread
  std::condition_variable
      settled_;  // for threads that wait for work to be done
  std::deque<Work> queue_;
  size_t pending_bytes_ = 0;  // of the outputs of what is queued or under way
  uint64_t given_ = 0;        // pieces of work
  uint64_t done_ = 0;
  bool busy_ = false;  // a thread runs work of this queue
  bool started_ = false;
  std::exception_ptr error_;
};

}  // namespace upsweep
