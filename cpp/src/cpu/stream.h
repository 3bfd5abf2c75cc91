// CpuStream: a queue of work for the CPU, with a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "../backend.h"

namespace upsweep {

class CpuStream {
 public:
  // Queues the work; or does it here and now where it is small, the stream is
  // idle and the inputs are there, because a hop to another thread would take
  // longer than the work.
  void submit(Work work);

  // Waits until the stream is empty; throws the first error since the last
  // time.
  void synchronize();

 private:
  void work_off();
  void perform(Work work);

  std::mutex mutex_;
  std::condition_variable queued_;  // for the thread
  std::condition_variable idle_;    // for who synchronizes
  std::deque<Work> queue_;
  bool busy_ = false;  // somebody runs work of this stream
  bool started_ = false;
  std::exception_ptr error_;
};

}  // namespace upsweep
