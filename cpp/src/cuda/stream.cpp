// Launches work, and tracks what was launched.
#include "stream.h"

#include <algorithm>
#include <exception>

namespace upsweep {

using cuda::check;
using cuda::driver;

CudaStream::CudaStream(CudaDevice& device) : device_(device) {
  cuda::Current current(device_.context());
  check(driver().create_stream(&stream_, cuda::kNonBlocking),
        "making a stream");
}

bool CudaStream::is_in_order(const CudaWork& work) const {
  return is_lent_ && !work.has_scratch && work.output->is_borrowed() &&
         std::all_of(work.inputs.begin(), work.inputs.end(),
                     [this](const CudaInput& in) {
                       return in.on_device->order() == stream_;
                     });
}

void CudaStream::run_on_gpu(CudaWork work) {
  if (is_in_order(work)) {
    cuda::Current current(device_.context());
    work.launch(stream_);
    return work.output->set_order(stream_);
  }
  host_.wait_for_room();
  std::vector<StoragePtr> storages;
  for (const CudaInput& input : work.inputs) storages.push_back(input.storage);
  auto is_on_gpu = [](const CudaInput& in) {
    return in.on_device->is_on_gpu();
  };
  if (!std::all_of(work.inputs.begin(), work.inputs.end(), is_on_gpu)) {
    auto run = [this, work] {
      for (const CudaInput& input : work.inputs) {
        input.on_device->fill_on_gpu(*input.storage);
      }
      launch(work)->wait();
    };
    return host_.queue({run, std::move(storages), work.output, 0});
  }
  CudaEventPtr done = launch(work);
  work.output->ready().set_fast_wait([done] { return done->spin_wait(); });
  auto run = [done, launch = std::move(work.launch),
              inputs = std::move(work.inputs)] { done->wait(); };
  host_.queue({std::move(run), std::move(storages), std::move(work.output), 0});
}

void CudaStream::adopt(const CudaStoragePtr& storage) {
  host_.wait_for_room();
  {
    cuda::Current current(device_.context());
    std::lock_guard lock(mutex_);
    storage->set_written(mark());
  }
  host_.queue({[done = storage->written()] { done->wait(); }, {}, storage, 0});
}

void CudaStream::run_on_host(Work work) {
  if (!host_.try_run(work.run, work.inputs, *work.output, work.elements)) {
    host_.wait_for_room();
    host_.queue(std::move(work));
  }
}

void CudaStream::synchronize() {
  host_.synchronize();
  if (!is_lent_) return;
  cuda::Current current(device_.context());
  mark()->wait();
}

// Errors stay with the library whose stream it is.
void CudaStream::wait_until_idle() {
  host_.wait_until_idle();
  if (!is_lent_) return;
  try {
    cuda::Current current(device_.context());
    mark()->wait();
  } catch (const std::exception&) {
  }
}

CudaEventPtr CudaStream::launch(const CudaWork& work) {
  cuda::Current current(device_.context());
  std::lock_guard lock(mutex_);
  for (const CudaInput& input : work.inputs) {
    if (CudaEventPtr event = input.on_device->pending(stream_)) {
      check(driver().wait_for(stream_, event->handle(), 0), "waiting");
    }
  }
  work.launch(stream_);
  work.output->set_written(mark());
  return work.output->written();
}

// An event that passes when everything launched so far is done.
CudaEventPtr CudaStream::mark() {
  auto event = std::make_shared<CudaEvent>(device_.context());
  event->record(stream_);
  return event;
}

}  // namespace upsweep
