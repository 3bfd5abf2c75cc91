// CpuStream: a queue of work for the CPU, with a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>

#include "../backend.h"
#include "float_mode.h"

namespace upsweep {

class CpuStream {
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
  void queue(Work work);

  // Waits for all work that the stream has been given so far; throws the first
  // error since the last time.
  void synchronize();

 private:
  // Makes the stream busy, if try_run may run the work.
  bool claim(std::span<const StoragePtr> inputs, int64_t elements);
  // Makes it idle, and the output readable; the mutex is held.
  void settle(std::exception_ptr error, Storage& output);
  void work_off();

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
  std::condition_variable queued_;   // for the thread
  std::condition_variable settled_;  // for who synchronizes
  std::deque<Work> queue_;
  uint64_t given_ = 0;  // pieces of work
  uint64_t done_ = 0;
  bool busy_ = false;  // somebody runs work of this stream
  bool started_ = false;
  std::exception_ptr error_;
};

}  // namespace upsweep
