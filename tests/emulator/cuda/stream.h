// Streams and events of the software driver: a thread for each stream, so that
// work is late unless something waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace upsweep::software_cuda {

// A recording of an event.
class TimelinePoint {
 public:
  void come(int result);
  int wait();
  bool has_come(int& result);

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  bool come_ = false;
  int result_ = 0;
};

struct Event {
  std::mutex mutex;
  std::shared_ptr<TimelinePoint> last;  // of the last recording, if any

  std::shared_ptr<TimelinePoint> moment() {
    std::lock_guard lock(mutex);
    return last;
  }
};

// The work of a stream, to be given to streams again.
struct Graph {
  std::vector<std::function<int()>> nodes;
  std::atomic<bool> is_valid{true};
};

// Runs the work of a stream on a thread. An error is sticky: later work does
// not run.
class Worker {
 public:
  void queue(std::function<int()> work);
  int result();

 private:
  void worker_loop();

  std::mutex mutex_;
  std::condition_variable queued_;
  std::deque<std::function<int()>> work_;
  bool started_ = false;
  int result_ = 0;
};

// What a handle names. The handle of a destroyed stream is given again, while
// its worker may still run what it has.
struct Stream {
  std::atomic<Graph*> capture{nullptr};  // the graph that gets its work, if any
  unsigned long long id = 0;
  std::atomic<Worker*> worker{new Worker};  // null once it is destroyed
};

}  // namespace upsweep::software_cuda
