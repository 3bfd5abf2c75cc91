// Running work in order, and keeping its errors for whoever reads the result.
#include "stream.h"

#include <algorithm>
#include <utility>

#include "float_mode.h"

namespace upsweep {

namespace {

// Below this a scan takes about as long as waking a thread.
constexpr int64_t kSmall = 1 << 17;

// Runs the work once its inputs are there; returns its error.
std::exception_ptr run(const Work& work) {
  FloatMode mode;
  try {
    for (const StoragePtr& in : work.inputs) in->ready().wait();
    work.run();
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

void CpuStream::submit(Work work) {
  bool ready = work.elements <= kSmall &&
               std::all_of(work.inputs.begin(), work.inputs.end(),
                           [](auto& in) { return in->ready().is_ready(); });
  std::unique_lock lock(mutex_);
  if (ready && !busy_ && queue_.empty()) {
    busy_ = true;
    lock.unlock();
    return perform(std::move(work));
  }
  if (!started_) {
    // A stream lasts as long as the process, and so does its thread.
    std::thread([this] { work_off(); }).detach();
    started_ = true;
  }
  queue_.push_back(std::move(work));
  if (!busy_) queued_.notify_one();
}

void CpuStream::work_off() {
  std::unique_lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [this] { return !busy_ && !queue_.empty(); });
    Work work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    perform(std::move(work));
    lock.lock();
  }
}

// What the work held is gone, and the stream is idle, before anybody can see
// the result: whoever has waited for it finds memory free and the stream ready.
void CpuStream::perform(Work work) {
  std::exception_ptr error = run(work);
  StoragePtr output = std::move(work.output);
  work = {};
  std::lock_guard lock(mutex_);
  busy_ = false;
  if (error) {
    if (!error_) error_ = error;
    output->ready().fail(error);
  } else {
    output->ready().signal();
  }
  output.reset();
  if (queue_.empty()) {
    idle_.notify_all();
  } else {
    queued_.notify_one();
  }
}

void CpuStream::synchronize() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !busy_ && queue_.empty(); });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace upsweep
