// Launches work, and tracks what was launched.
#include "stream.h"

#include <algorithm>
#include <exception>
#include <stdexcept>

#include "../host/memory.h"
#include "upsweep/error.h"

namespace upsweep {

using cuda::check;
using cuda::driver;

namespace {

cuda::Stream make_stream(const CudaDevice& device) {
  cuda::Current current(device.context());
  cuda::Stream stream;
  check(driver().create_stream(&stream, cuda::kNonBlocking), "making a stream");
  return stream;
}

// What is kept for later makes room. Nothing may be locked.
template <class F>
void with_room(const F& run) {
  try {
    return run();
  } catch (const OutOfMemory&) {
  }
  global_allocator().clear_cache();
  run();
}

}  // namespace

CudaStream::CudaStream(CudaDevice& device)
    : device_(device),
      stream_(make_stream(device)),
      scratch_(device, stream_) {}

// Only another library captures its stream.
bool CudaStream::is_captured() const {
  if (!is_lent_) return false;
  cuda::Current current(device_.context());
  int status = 0;
  check(driver().is_capturing(stream_, &status), "asking a stream");
  return status != 0;
}

void CudaStream::check_not_captured() const {
  if (!is_captured()) return;
  throw std::runtime_error(
      "[cuda] A CUDA graph cannot capture this call: parts of it wait for the "
      "host. Call it outside of the graph.");
}

void CudaStream::check_owns_results() const {
  if (!is_captured()) return;
  throw std::runtime_error(
      "[cuda] While a CUDA graph captures the stream, a result needs memory "
      "from before: pass it as `into`, or call this outside of the graph.");
}

void CudaStream::check_graph_memory() const {
  if (device_.has_pools()) return;
  throw std::runtime_error(
      "[cuda] A CUDA graph cannot capture this call: it needs memory of the "
      "graph, and the device has no memory pools. Call it outside of the "
      "graph.");
}

// CUDA's stream of each thread is several streams. Without an id, a stream may
// be another one than before.
bool CudaStream::keeps_scratch() const {
  return !is_lent_ || (stream_ != cuda::kStreamOfThread && driver().stream_id);
}

bool CudaStream::is_in_order(const CudaWork& work) const {
  return is_lent_ && work.output->may_have_order() &&
         std::all_of(work.inputs.begin(), work.inputs.end(),
                     [this](const CudaInput& in) {
                       return in.on_device->order() == stream_;
                     });
}

void CudaStream::prepare(CudaStorage& output) const {
  if (output.nbytes() != 0 && !output.may_have_order() && is_captured()) {
    check_graph_memory();
    output.prepare_in_graph(stream_);
  } else {
    output.prepare_on_gpu();
  }
}

void CudaStream::run_on_gpu(CudaWork work) {
  if (is_in_order(work)) {
    launch_in_order(work);
    return work.output->set_order(stream_);
  }
  check_not_captured();
  host_.wait_for_room();
  if (!work.scratch.is_empty() && keeps_scratch()) {
    with_room([&] {
      cuda::Current current(device_.context());
      std::lock_guard lock(mutex_);
      reserve(work.scratch);
    });
  }
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

void CudaStream::launch_in_order(const CudaWork& work) {
  with_room([&] {
    cuda::Current current(device_.context());
    std::lock_guard lock(mutex_);
    launch_with_scratch(work);
  });
}

// A graph runs the same launches again, with the same epochs, so it clears
// states of its own each time.
void CudaStream::launch_with_scratch(const CudaWork& work) {
  if (work.scratch.is_empty()) return work.launch(stream_, scratch_);
  bool is_in_graph = is_captured();
  if (is_in_graph) check_graph_memory();
  if (is_in_graph || !keeps_scratch()) {
    CudaScratch scratch(device_, stream_);
    scratch.reserve(work.scratch);
    return work.launch(stream_, scratch);
  }
  reserve(work.scratch);
  work.launch(stream_, scratch_);
}

// CUDA does not tell the id of a stream while a graph captures it.
void CudaStream::reserve(const ScratchSizes& sizes) {
  if (is_lent_) {
    unsigned long long id = 0;
    check(driver().stream_id(stream_, &id), "asking a stream");
    scratch_.switch_to(id);
  }
  scratch_.reserve(sizes);
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
  check_not_captured();
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

// Errors stay with the library whose stream it is. What is captured does not
// run.
void CudaStream::wait_until_idle() {
  host_.wait_until_idle();
  if (!is_lent_) return;
  try {
    if (is_captured()) return;
    cuda::Current current(device_.context());
    mark()->wait();
  } catch (const std::exception&) {
  }
}

void CudaStream::free_scratch() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;
  cuda::Current current(device_.context());
  scratch_.free_all();
}

CudaEventPtr CudaStream::launch(const CudaWork& work) {
  cuda::Current current(device_.context());
  std::lock_guard lock(mutex_);
  for (const CudaInput& input : work.inputs) {
    if (CudaEventPtr event = input.on_device->pending(stream_)) {
      check(driver().wait_for(stream_, event->handle(), 0), "waiting");
    }
  }
  launch_with_scratch(work);
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
