// Launches work, and tracks what was launched.
#include "stream.h"

#include <algorithm>

namespace upsweep {

using cuda::check;
using cuda::driver;

CudaStream::CudaStream(CudaDevice& device) : device_(device) {
  cuda::Current current(device_.context());
  check(driver().create_stream(&stream_, cuda::kNonBlocking),
        "making a stream");
}

void CudaStream::run_on_gpu(CudaWork work) {
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

CudaEventPtr CudaStream::launch(const CudaWork& work) {
  cuda::Current current(device_.context());
  std::lock_guard lock(mutex_);
  for (const CudaInput& input : work.inputs) {
    CudaEventPtr written = input.on_device->written();
    if (written && !input.storage->ready().is_ready()) {
      check(driver().wait_for(stream_, written->handle(), 0), "waiting");
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
