// Running work in order, and keeping its errors for whoever reads the result.
#include "stream.h"

#include <algorithm>
#include <utility>

namespace upsweep {

namespace {

// Below this a scan takes about as long as waking a thread.
constexpr int64_t kSmall = 1 << 17;

}  // namespace

bool CpuStream::claim(std::span<const StoragePtr> inputs, int64_t elements) {
  if (elements > kSmall ||
      !std::all_of(inputs.begin(), inputs.end(),
                   [](auto& in) { return in->ready().is_ready(); })) {
    return false;
  }
  std::lock_guard lock(mutex_);
  if (busy_ || !queue_.empty()) return false;
  busy_ = true;
  ++given_;
  return true;
}

void CpuStream::queue(Work work) {
  std::lock_guard lock(mutex_);
  if (!started_) {
    // A stream lasts as long as the process, and so does its thread.
    std::thread([this] { work_off(); }).detach();
    started_ = true;
  }
  queue_.push_back(std::move(work));
  ++given_;
  if (!busy_) queued_.notify_one();
}

// What the work held is gone, and the stream is idle, before anybody can see
// the result: whoever has waited for it finds memory free and the stream ready.
void CpuStream::work_off() {
  std::unique_lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [this] { return !busy_ && !queue_.empty(); });
    Work work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    std::exception_ptr error = attempt(work.run, work.inputs);
    StoragePtr output = std::move(work.output);
    work = {};
    lock.lock();
    settle(std::move(error), *output);
    output.reset();
  }
}

void CpuStream::settle(std::exception_ptr error, Storage& output) {
  busy_ = false;
  ++done_;
  if (error) {
    if (!error_) error_ = error;
    output.ready().fail(std::move(error));
  } else {
    output.ready().signal();
  }
  settled_.notify_all();
  if (!queue_.empty()) queued_.notify_one();
}

void CpuStream::synchronize() {
  std::unique_lock lock(mutex_);
  settled_.wait(lock, [this, last = given_] { return done_ >= last; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace upsweep
