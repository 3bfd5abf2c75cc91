// The GPU's streams, memory and description. Scans, derivatives and
// copies run on the GPU; all other work runs on the CPU, which shares its
// memory, in the stream's order.
#include "backend.h"

#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <vector>

#include "../../../metal/tuning_apple.h"
#include "../gpu/backend.h"
#include "../host/memory.h"
#include "../host/stream_table.h"
#include "device.h"
#include "storage.h"
#include "stream.h"

namespace upsweep {

namespace {

// Enough threadgroups for the largest of these GPUs.
constexpr Tuning kTuning{kThreads, items, 512, false};

using MetalStoragePtr = std::shared_ptr<MetalStorage>;

// A launch with everything it needs, so that encoding cannot fail.
struct Prepared {
  Launch launch;
  std::vector<MTL::ComputePipelineState*> pipelines;  // of its kernels
  MetalStoragePtr scratch[2];
};

// What the GPU reads for the storages of LaunchInputs.
struct MetalInputs {
  MetalStoragePtr in;
  MetalStoragePtr reset;
  MetalStoragePtr initial;
  MetalStoragePtr second;
};

void encode(MTL::ComputeCommandEncoder* encoder, const MetalInputs& inputs,
            const MetalStorage& out, const Prepared& prepared) {
  const MetalStorage* bound[] = {inputs.in.get(),
                                 &out,
                                 nullptr,
                                 prepared.scratch[0].get(),
                                 prepared.scratch[1].get(),
                                 inputs.reset.get(),
                                 inputs.initial.get(),
                                 inputs.second.get()};
  for (size_t i = 0; i < std::size(bound); ++i) {
    if (bound[i]) encoder->setBuffer(bound[i]->buffer(), 0, i);
  }
  const Launch& launch = prepared.launch;
  encoder->setBytes(launch.params.data(), launch.params.size(), 2);
  for (size_t i = 0; i < launch.kernels.size(); ++i) {
    encoder->setComputePipelineState(prepared.pipelines[i]);
    encoder->dispatchThreadgroups(
        MTL::Size(static_cast<NS::UInteger>(launch.kernels[i].groups), 1, 1),
        MTL::Size(kThreads, 1, 1));
  }
}

class MetalBackend final : public GpuBackend {
 public:
  explicit MetalBackend(MetalDevice& device)
      : GpuBackend(kTuning), device_(device) {}

  int device_count() const override { return 1; }

  DeviceInfo info(int) const override {
    AutoreleaseScope scope;
    MTL::Device* gpu = device_.handle.get();
    return {{"device_name", std::string(gpu->name()->utf8String())},
            {"architecture",
             std::string(gpu->architecture()->name()->utf8String())},
            {"memory_size", physical_memory()},
            {"max_buffer_length", size_t{gpu->maxBufferLength()}},
            {"max_recommended_working_set_size",
             size_t{gpu->recommendedMaxWorkingSetSize()}}};
  }

  Stream new_stream(Device device) override { return {streams_.add(), device}; }
  bool has_stream(Stream stream) const override {
    return streams_.has(stream.index);
  }
  void synchronize(Stream stream) override { find(stream).synchronize(); }
  void wait_until_idle(Stream stream) override {
    find(stream).wait_until_idle();
  }

  StoragePtr allocate(Device device, size_t nbytes) override {
    check_process();
    return std::make_shared<MetalStorage>(nbytes, device);
  }

  void run_on_host(Stream stream, Work work) override {
    AutoreleaseScope scope;
    find(stream).run_on_host(std::move(work));
  }

 private:
  void launch(Stream stream, const LaunchInputs& from, const StoragePtr& to,
              std::vector<Launch> launches) override {
    AutoreleaseScope scope;
    MetalStream& on = find(stream);
    auto out = std::static_pointer_cast<MetalStorage>(to);
    std::vector<Prepared> all;
    for (const Launch& launch : launches) all.push_back(prepare(launch, out));
    if (all.empty()) return on.run_on_host({[] {}, {}, out, 0});
    // Something has to be bound, used or not.
    MetalInputs inputs{device_view(stream, from.in), out, out, out};
    std::vector<StoragePtr> read{inputs.in, from.in};
    auto add = [&](MetalStoragePtr& input, const StoragePtr& storage) {
      if (!storage) return;
      input = device_view(stream, storage);
      read.insert(read.end(), {input, storage});
    };
    add(inputs.reset, from.reset);
    add(inputs.initial, from.initial);
    add(inputs.second, from.second);
    on.run_on_gpu({[inputs, out, all = std::move(all)](auto* encoder) {
                     for (const Prepared& prepared : all) {
                       encode(encoder, inputs, *out, prepared);
                     }
                   },
                   std::move(read), out});
  }

  MetalStream& find(Stream stream) {
    check_process();
    return streams_.find(stream.index, [this] {
      return std::make_unique<MetalStream>(device_.handle.get());
    });
  }

  Prepared prepare(const Launch& launch, const MetalStoragePtr& out) {
    Prepared prepared{launch, {}, {}};
    for (const Kernel& kernel : launch.kernels) {
      prepared.pipelines.push_back(
          device_.library.pipeline(kernel.stage, kernel.set, kThreads));
    }
    for (size_t i = 0; i < std::size(launch.scratch); ++i) {
      size_t nbytes = launch.scratch[i];
      prepared.scratch[i] =
          nbytes == 0 ? out
                      : std::make_shared<MetalStorage>(nbytes, out->device());
    }
    return prepared;
  }

  // What the GPU reads for a storage: the storage itself, another buffer over
  // the same memory, or a copy. The latter two live as long as the storage.
  MetalStoragePtr device_view(Stream stream, const StoragePtr& storage) {
    if (auto own = std::dynamic_pointer_cast<MetalStorage>(storage)) return own;
    std::lock_guard lock(views_);
    StoragePtr& view = storage->device_view();
    if (!view) view = make_view(stream, storage);
    return std::static_pointer_cast<MetalStorage>(view);
  }

  MetalStoragePtr make_view(Stream stream, const StoragePtr& storage) {
    auto view = MetalStorage::share(*storage, stream.device);
    if (view && storage->ready().is_ready()) {
      view->ready().signal();
      return view;
    }
    bool copies = !view;
    if (copies) {
      view = std::make_shared<MetalStorage>(storage->nbytes(), stream.device);
    }
    auto run = [from = storage->data(), to = view->data(), copies,
                n = storage->nbytes()] {
      if (copies) std::memcpy(to, from, n);
    };
    run_on_host(
        stream,
        {run, {storage}, view, static_cast<int64_t>(storage->nbytes() / 4)});
    return view;
  }

  MetalDevice& device_;
  StreamTable<MetalStream> streams_;
  std::mutex views_;
};

}  // namespace

Backend* metal_backend() {
  // Never destroyed: its streams' threads run to the end of the process.
  static MetalBackend* const backend = []() -> MetalBackend* {
    MetalDevice* device = metal_device();
    return device ? new MetalBackend(*device) : nullptr;
  }();
  return backend;
}

}  // namespace upsweep
