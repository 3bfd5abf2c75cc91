// Runs the work of streams, and waits for timeline points.
#include "stream.h"

#include <thread>

namespace upsweep::software_cuda {

void TimelinePoint::come(int result) {
  std::lock_guard lock(mutex_);
  come_ = true;
  result_ = result;
  came_.notify_all();
}

int TimelinePoint::wait() {
  std::unique_lock lock(mutex_);
  came_.wait(lock, [this] { return come_; });
  return result_;
}

bool TimelinePoint::has_come(int& result) {
  std::lock_guard lock(mutex_);
  result = result_;
  return come_;
}

void Worker::queue(std::function<int()> work) {
  std::lock_guard lock(mutex_);
  if (!started_) std::thread([this] { worker_loop(); }).detach();
  started_ = true;
  work_.push_back(std::move(work));
  queued_.notify_one();
}

int Worker::result() {
  std::lock_guard lock(mutex_);
  return result_;
}

void Worker::worker_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [this] { return !work_.empty(); });
    std::function<int()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    int result = work();
    work = nullptr;
    lock.lock();
    if (result_ == 0) result_ = result;
  }
}

}  // namespace upsweep::software_cuda
