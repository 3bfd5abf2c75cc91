// The GPUs' streams, memory and descriptions. Scans, derivatives and
// copies run on the GPU; all other work runs on the CPU, in the stream's order.
#include "backend.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../../../metal/tuning_nvidia.h"
#include "../gpu/backend.h"
#include "../host/memory.h"
#include "../host/stream_table.h"
#include "device.h"
#include "storage.h"
#include "stream.h"

namespace upsweep {

namespace {

using cuda::check;
using cuda::driver;

constexpr Tuning kTuning{kThreads, items, 512, true};
constexpr size_t kAlignment = 256;  // of buffers

// A launch with everything it needs.
struct Prepared {
  struct Grid {
    cuda::Function function;
    int64_t groups;
  };
  std::vector<Grid> grids;
  std::vector<std::byte> params;
  size_t scratch[2];  // bytes, and a multiple of kAlignment
  bool has_states;
};

// What the GPU reads for the storages of LaunchInputs.
struct CudaInputs {
  CudaStoragePtr in;
  CudaStoragePtr reset;    // nullptr if there is none
  CudaStoragePtr initial;  // likewise
  CudaStoragePtr second;
};

// What a launch needs while it runs.
ScratchSizes scratch_sizes(const Prepared& prepared) {
  if (prepared.has_states) return {prepared.scratch[0], 0};
  return {0, prepared.scratch[0] + prepared.scratch[1]};
}

void run(cuda::Stream stream, CudaScratch& memory, const CudaInputs& inputs,
         const CudaStorage& out, Prepared& prepared) {
  // Every argument must be bound, used or not.
  cuda::Address from = inputs.in->address(), to = out.address();
  cuda::Address reset = inputs.reset ? inputs.reset->address() : to;
  cuda::Address initial = inputs.initial ? inputs.initial->address() : to;
  cuda::Address scratch[2] = {to, to};
  if (prepared.has_states) {
    scratch[0] = memory.states();
    uint32_t epoch = memory.next_epoch();
    std::memcpy(prepared.params.data() + offsetof(ScanParams, epoch), &epoch,
                sizeof epoch);
  } else if (prepared.scratch[0] != 0) {
    scratch[0] = memory.other();
    if (prepared.scratch[1]) scratch[1] = scratch[0] + prepared.scratch[0];
  }
  cuda::Address second = inputs.second ? inputs.second->address() : to;
  std::vector<std::byte> params = prepared.params;
  void* arguments[] = {&from,       &to,    params.data(), &scratch[0],
                       &scratch[1], &reset, &initial,      &second};
  for (const Prepared::Grid& grid : prepared.grids) {
    check(driver().launch(grid.function, static_cast<unsigned>(grid.groups), 1,
                          1, kThreads, 1, 1, 0, stream, arguments, nullptr),
          "launching a kernel");
  }
}

// The backend's state for one device.
struct Gpu {
  explicit Gpu(int index) : device(cuda_device(index)) {}

  CudaDevice& device;
  StreamTable<CudaStream> streams;
  std::map<void*, int> wrapped;  // other libraries' streams, by handle
};

class CudaBackend final : public GpuBackend, public DeviceMemory {
 public:
  CudaBackend() : GpuBackend(kTuning), gpus_(cuda_device_count()) {
    when_cleared([this] { free_scratch(); });
  }

  int device_count() const override { return static_cast<int>(gpus_.size()); }

  DeviceInfo info(int index) const override {
    check_process();
    return find(index).device.info();
  }

  Stream new_stream(Device device) override {
    return {find(device.index).streams.add(), device};
  }
  bool has_stream(Stream stream) const override {
    return find(stream.device.index).streams.has(stream.index);
  }
  void synchronize(Stream stream) override { find(stream).synchronize(); }
  void wait_until_idle(Stream stream) override {
    find(stream).wait_until_idle();
  }

  StoragePtr allocate(Device device, size_t nbytes) override {
    check_process();
    return std::make_shared<CudaStorage>(nbytes, find(device.index).device);
  }

  void check_owns_results(Stream stream) override {
    find(stream).check_owns_results();
  }

  StoragePtr borrow(Device device, ResultMemory memory) override {
    check_process();
    return std::make_shared<CudaStorage>(
        reinterpret_cast<uintptr_t>(memory.data()), memory.size(),
        find(device.index).device);
  }

  DeviceMemory* device_memory() override { return this; }
  void* native_stream(Stream stream) override { return find(stream).handle(); }

  std::shared_ptr<void> make_current(Device device) override {
    check_process();
    return std::make_shared<cuda::Current>(find(device.index).device.context());
  }

  const void* export_pointer(const StoragePtr& storage,
                             void* consumer) override {
    check_process();
    auto own = std::static_pointer_cast<CudaStorage>(storage);
    if (!consumer || !own->is_on_gpu()) {
      own->wait();
      own->fill_on_gpu(*own);
    }
    return own->export_pointer(static_cast<cuda::Stream>(consumer));
  }

  StoragePtr adopt(Stream stream, const void* data, size_t nbytes,
                   std::function<void()> release) override {
    CudaStream& on = find(stream);
    auto address = reinterpret_cast<uintptr_t>(data);
    CudaDevice& device = find(stream.device.index).device;
    if (!release && on.is_lent()) {
      return std::make_shared<CudaStorage>(address, nbytes, device,
                                           on.handle());
    }
    if (!release) release = [] {};
    auto storage = std::make_shared<CudaStorage>(address, nbytes, device,
                                                 std::move(release));
    on.adopt(storage);
    return storage;
  }

  Stream wrap(Device device, void* native) override {
    check_process();
    Gpu& gpu = find(device.index);
    std::lock_guard lock(mutex_);
    auto [found, is_new] = gpu.wrapped.try_emplace(native, 0);
    if (is_new) {
      found->second = gpu.streams.add();
      gpu.streams.find(found->second, [&] {
        return std::make_unique<CudaStream>(gpu.device,
                                            static_cast<cuda::Stream>(native));
      });
    }
    return {found->second, device};
  }

  void run_on_host(Stream stream, Work work) override {
    work.output->data();  // throws OutOfMemory here rather than in the queue
    find(stream).run_on_host(std::move(work));
  }

 private:
  void launch(Stream stream, const LaunchInputs& from, const StoragePtr& to,
              std::vector<Launch> launches) override {
    CudaStream& on = find(stream);
    auto out = std::static_pointer_cast<CudaStorage>(to);
    on.prepare(*out);
    std::vector<Prepared> all;
    all.reserve(launches.size());
    for (Launch& launch : launches) {
      all.push_back(
          prepare(std::move(launch), find(out->device().index).device));
    }
    if (all.empty()) {
      if (on.is_lent()) return out->set_order(on.handle());
      out->set_written(nullptr);
      return on.run_on_host({[] {}, {}, out, 0});
    }
    CudaInputs inputs;
    std::vector<CudaInput> read;
    auto add = [&](CudaStoragePtr& input, const StoragePtr& storage) {
      if (!storage) return;
      input = device_copy(out->device(), storage);
      read.push_back({storage, input});
    };
    add(inputs.in, from.in);
    add(inputs.reset, from.reset);
    add(inputs.initial, from.initial);
    add(inputs.second, from.second);
    ScratchSizes most;
    for (const Prepared& each : all) {
      ScratchSizes sizes = scratch_sizes(each);
      most = {std::max(most.states, sizes.states),
              std::max(most.other, sizes.other)};
    }
    on.run_on_gpu({[inputs, result = out.get(), all = std::move(all)](
                       cuda::Stream on_gpu, CudaScratch& scratch) mutable {
                     for (Prepared& each : all) {
                       run(on_gpu, scratch, inputs, *result, each);
                     }
                   },
                   std::move(read), out, most});
  }

  // Nothing is locked meanwhile: what a stream is waited for may need other
  // streams. They stay where they are.
  void free_scratch() {
    check_process();
    std::vector<CudaStream*> streams;
    {
      std::lock_guard lock(mutex_);
      for (const std::unique_ptr<Gpu>& gpu : gpus_) {
        if (!gpu) continue;
        gpu->streams.for_each(
            [&](CudaStream& stream) { streams.push_back(&stream); });
      }
    }
    for (CudaStream* stream : streams) stream->free_scratch();
  }

  Gpu& find(int index) const {
    std::lock_guard lock(mutex_);
    auto& gpu = gpus_[static_cast<size_t>(index)];
    if (!gpu) gpu = std::make_unique<Gpu>(index);
    return *gpu;
  }

  CudaStream& find(Stream stream) {
    check_process();
    Gpu& gpu = find(stream.device.index);
    return gpu.streams.find(
        stream.index, [&] { return std::make_unique<CudaStream>(gpu.device); });
  }

  Prepared prepare(Launch launch, CudaDevice& device) {
    auto aligned = [](size_t nbytes) {
      return (nbytes + kAlignment - 1) / kAlignment * kAlignment;
    };
    Prepared prepared{{},
                      std::move(launch.params),
                      {aligned(launch.scratch[0]), aligned(launch.scratch[1])},
                      launch.has_states};
    prepared.grids.reserve(launch.kernels.size());
    for (const Kernel& kernel : launch.kernels) {
      prepared.grids.push_back(
          {device.function(kernel.stage, kernel.set), kernel.groups});
    }
    return prepared;
  }

  // The storage itself if it is on the device; otherwise its copy there, which
  // the stream fills and which lives as long as the storage. Copies for several
  // devices form a list.
  CudaStoragePtr device_copy(Device device, const StoragePtr& storage) {
    if (storage->device() == device) {
      return std::static_pointer_cast<CudaStorage>(storage);
    }
    std::lock_guard lock(views_);
    StoragePtr* view = &storage->device_view();
    while (*view && (*view)->device() != device) {
      view = &(*view)->device_view();
    }
    if (!*view) {
      *view = std::make_shared<CudaStorage>(storage->nbytes(),
                                            find(device.index).device);
    }
    return std::static_pointer_cast<CudaStorage>(*view);
  }

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Gpu>> gpus_;
  std::mutex views_;
};

}  // namespace

Backend* cuda_backend() {
  // Never destroyed: its streams' threads run to the end of the process.
  static CudaBackend* const backend = []() -> CudaBackend* {
    if (!cuda::find_driver() || cuda_device_count() == 0) return nullptr;
    return new CudaBackend;
  }();
  return backend;
}

std::string why_no_cuda() {
  if (cuda::find_driver()) return "the NVIDIA driver has no device";
  return cuda::why_no_driver();
}

}  // namespace upsweep
