// Running work in order, and keeping its errors for whoever reads the result.
#include "stream.h"

#include <algorithm>

#include "float_mode.h"

namespace upsweep {

namespace {

// Below this a scan takes about as long as waking a thread.
constexpr int64_t kSmall = 1 << 15;

}  // namespace

void CpuStream::submit(Work work) {
  bool ready = work.elements <= kSmall &&
               std::all_of(work.inputs.begin(), work.inputs.end(),
                           [](auto& in) { return in->ready().is_ready(); });
  std::unique_lock lock(mutex_);
  if (ready && !busy_ && queue_.empty()) {
    busy_ = true;
    lock.unlock();
    finish(work);
    lock.lock();
    busy_ = false;
    // Others may have queued work in the meantime, or wait for the end.
    changed_.notify_all();
    return;
  }
  if (!started_) {
    // A stream lasts as long as the process, and so does its thread.
    std::thread([this] { work_off(); }).detach();
    started_ = true;
  }
  queue_.push_back(std::move(work));
  changed_.notify_all();
}

void CpuStream::work_off() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !busy_ && !queue_.empty(); });
    Work work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    finish(work);
    // Lets go of the inputs, which may be the last to hold somebody's memory.
    work = {};
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void CpuStream::finish(Work& work) {
  FloatMode mode;
  try {
    for (const StoragePtr& in : work.inputs) in->ready().wait();
    work.run();
    work.output->ready().signal();
  } catch (...) {
    {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    work.output->ready().fail(std::current_exception());
  }
}

void CpuStream::synchronize() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !busy_ && queue_.empty(); });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace upsweep
