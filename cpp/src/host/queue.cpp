// Runs work in order, and keeps its errors for readers of the results.
#include "queue.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "memory.h"

namespace upsweep {

namespace {

// A scan of this many elements takes about as long as waking a thread.
constexpr int64_t kSmall = 1 << 17;
// A stream is far behind with more queued work than this, or when its results
// take more than one part in kShareOfMemory of the memory: that is more than
// enough to keep it busy.
constexpr size_t kMostQueued = 1024;
constexpr size_t kShareOfMemory = 8;

}  // namespace

std::unique_lock<std::mutex> HostQueue::claim(
    std::span<const StoragePtr> inputs, int64_t elements) {
  if (elements > kSmall ||
      !std::all_of(inputs.begin(), inputs.end(),
                   [](auto& in) { return in->ready().is_ready(); })) {
    return {};
  }
  std::unique_lock lock(mutex_);
  if (busy_ || !queue_.empty()) return {};
  busy_ = true;
  ++given_;
  return lock;
}

void HostQueue::run(Work work) {
  if (try_run(work.run, work.inputs, *work.output, work.elements)) return;
  wait_for_room();
  queue(std::move(work));
}

void HostQueue::queue(Work work) {
  std::unique_lock lock(mutex_);
  pending_bytes_ += work.output->nbytes();
  queue_.push_back(std::move(work));
  ++given_;
  if (has_thread()) {
    if (!busy_) queued_.notify_one();
    return;
  }
  for (uint64_t last = given_; done_ < last;) {
    finished_.wait(lock, [&] { return done_ >= last || !busy_; });
    if (done_ < last) run_first(lock);
  }
}

// A stream lasts as long as the process, and so does its thread.
bool HostQueue::has_thread() {
  if (started_) return true;
  try {
    std::thread([this] {
      std::unique_lock lock(mutex_);
      for (;;) {
        queued_.wait(lock, [this] { return !busy_ && !queue_.empty(); });
        run_first(lock);
      }
    }).detach();
    started_ = true;
  } catch (const std::system_error&) {
  }
  return started_;
}

// Frees what the work held, and marks the stream idle, before any thread can
// see the result: a thread that has waited for it finds the memory free and the
// stream ready.
void HostQueue::run_first(std::unique_lock<std::mutex>& lock) {
  ReleaseLater releases;
  Work work = std::move(queue_.front());
  queue_.pop_front();
  busy_ = true;
  lock.unlock();
  std::exception_ptr error = attempt(work.run, work.inputs);
  StoragePtr output = std::move(work.output);
  work = {};
  lock.lock();
  pending_bytes_ -= output->nbytes();
  finish(std::move(error), *output);
  output.reset();
}

void HostQueue::finish(std::exception_ptr error, Storage& output) {
  busy_ = false;
  ++done_;
  if (error) {
    if (!error_) error_ = error;
    output.ready().fail(std::move(error));
  } else {
    output.ready().signal();
  }
  finished_.notify_all();
  if (!queue_.empty()) queued_.notify_one();
}

void HostQueue::wait_for_room() {
  size_t most = global_allocator().memory_limit() / kShareOfMemory;
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] {
    return queue_.empty() ||
           (queue_.size() < kMostQueued && pending_bytes_ <= most);
  });
}

void HostQueue::wait_until_idle() {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this, last = given_] { return done_ >= last; });
}

void HostQueue::synchronize() {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this, last = given_] { return done_ >= last; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace upsweep
