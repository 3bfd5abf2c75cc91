// HostQueue: work for the CPU, in order, on a thread of its own. Every stream
// has one.
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
  // Runs work on the calling thread if it is small, the stream is idle and the
  // inputs are ready, because switching threads would take longer than the
  // work. Returns whether it did; if not, queue the work.
  template <class Run>
  bool try_run(const Run& run, std::span<const StoragePtr> inputs,
               Storage& output, int64_t elements) {
    std::unique_lock<std::mutex> lock = claim(inputs, elements);
    if (!lock) return false;
    lock.unlock();
    std::exception_ptr error = attempt(run, inputs);
    lock.lock();
    finish(std::move(error), output);
    return true;
  }
  // Queues work for the stream's thread. If the system has no thread to spare,
  // the caller runs everything that is queued.
  void queue(Work work);

  // Runs or queues work, after waiting for room.
  void run(Work work);

  // Waits while the stream is far behind: otherwise work that arrives faster
  // than it runs would fill the memory. The caller must not hold a lock that
  // the work may need.
  void wait_for_room();
  // Waits until all work has finished, successfully or not.
  void wait_until_idle();

  // Waits for all work given to the stream so far; throws the first error since
  // the last call.
  void synchronize();

 private:
  // Marks the stream busy if try_run may run the work; then returns the lock.
  std::unique_lock<std::mutex> claim(std::span<const StoragePtr> inputs,
                                     int64_t elements);
  // Marks the stream idle and signals the output. The caller holds the mutex.
  void finish(std::exception_ptr error, Storage& output);
  // Runs the first work of the queue. The mutex is held before and after.
  void run_first(std::unique_lock<std::mutex>& lock);
  // Starts the thread if there is none; returns whether there is one. The
  // caller holds the mutex.
  bool has_thread();

  // Runs the work once its inputs are ready; returns its error.
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
  std::condition_variable queued_;    // for the thread
  std::condition_variable finished_;  // for threads that wait for results
  std::deque<Work> queue_;
  size_t pending_bytes_ = 0;  // outputs of work that is queued or under way
  uint64_t given_ = 0;        // pieces of work
  uint64_t done_ = 0;
  bool busy_ = false;  // a thread runs work of this queue
  bool started_ = false;
  std::exception_ptr error_;
};

}  // namespace upsweep
