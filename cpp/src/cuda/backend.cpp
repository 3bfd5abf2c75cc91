// The GPUs' streams, memory and descriptions. Scans run on the GPU; all other
// work runs on the processors, in the stream's order.
#include "backend.h"

#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "../../../metal/tuning_nvidia.h"
#include "../cpu/copy.h"
#include "../gpu/passes.h"
#include "device.h"
#include "storage.h"
#include "stream.h"

namespace upsweep {

namespace {

using cuda::check;
using cuda::driver;

constexpr Tuning kTuning{kThreads, items, 0, true};

// A launch of look-back with all that it needs.
struct Launch {
  cuda::Function function;
  ScanParams params;
  int64_t groups;
  CudaStoragePtr posts;  // none for a single chunk
};

void launch(cuda::Stream stream, const CudaStorage& in, const CudaStorage& out,
            const Launch& scan) {
  cuda::Address from = in.address(), to = out.address(), posts = to;
  if (scan.posts) {
    posts = scan.posts->address();
    check(driver().clear(posts, 0, scan.posts->nbytes(), stream),
          "clearing memory");
  }
  ScanParams params = scan.params;
  // Something has to be bound, used or not.
  void* arguments[] = {&from, &to, &params, &posts, &posts};
  check(driver().launch(scan.function, static_cast<unsigned>(scan.groups), 1, 1,
                        kThreads, 1, 1, 0, stream, arguments, nullptr),
        "launching a kernel");
}

// One device's part of the backend.
struct Gpu {
  explicit Gpu(int index) : device(cuda_device(index)) {}

  CudaDevice& device;
  std::mutex mutex;  // guards what follows
  int count = 1;
  std::vector<std::unique_ptr<CudaStream>> streams;
};

class CudaBackend final : public Backend {
 public:
  CudaBackend() : generation_(fork_generation()), gpus_(cuda_device_count()) {}

  int device_count() const override { return static_cast<int>(gpus_.size()); }

  DeviceInfo info(int index) const override {
    check_process();
    return find(index).device.info();
  }

  Stream new_stream(Device device) override {
    Gpu& gpu = find(device.index);
    std::lock_guard lock(gpu.mutex);
    return {gpu.count++, device};
  }
  bool has_stream(Stream stream) const override {
    Gpu& gpu = find(stream.device.index);
    std::lock_guard lock(gpu.mutex);
    return stream.index >= 0 && stream.index < gpu.count;
  }
  void synchronize(Stream stream) override { find(stream).synchronize(); }
  void wait_until_idle(Stream stream) override {
    find(stream).wait_until_idle();
  }

  StoragePtr allocate(Device device, size_t nbytes) override {
    check_process();
    return std::make_shared<CudaStorage>(nbytes, find(device.index).device);
  }

  bool has_own_memory() const override { return true; }
  void* native_stream(Stream stream) override { return find(stream).handle(); }

  const void* lend(const StoragePtr& storage, void* consumer) override {
    check_process();
    auto own = std::static_pointer_cast<CudaStorage>(storage);
    if (!consumer || !own->is_on_gpu()) {
      own->ready().wait();
      own->fill_on_gpu(*own);
    }
    return own->lend(static_cast<cuda::Stream>(consumer));
  }

  StoragePtr adopt(Stream stream, const void* data, size_t nbytes,
                   std::function<void()> release) override {
    CudaStream& on = find(stream);
    auto storage = std::make_shared<CudaStorage>(
        reinterpret_cast<uintptr_t>(data), nbytes,
        find(stream.device.index).device, std::move(release));
    on.take_over(storage);
    return storage;
  }

  void scan(Stream stream, ScanWork work) override {
    CudaStream& on = find(stream);
    auto out = std::static_pointer_cast<CudaStorage>(work.out);
    out->prepare_on_gpu();
    const KernelSet& kernels = kernel_set(work.op, work.dtype);
    if (!fits_kernels(work.plan)) make_contiguous(stream, work);
    std::vector<Launch> scans;
    for (const Passes& passes : make_passes(work.plan, kernels, work.in_offset,
                                            work.inclusive, kTuning)) {
      scans.push_back(prepare(passes, kernels, out->device()));
    }
    if (scans.empty()) {
      out->set_written(nullptr);
      return on.run_on_host({[] {}, {}, out, 0});
    }
    CudaStoragePtr seen = seen_by(out->device(), work.in);
    on.run_on_gpu({[seen, to = out.get(),
                    scans = std::move(scans)](cuda::Stream cuda_stream) {
                     for (const Launch& s : scans) {
                       launch(cuda_stream, *seen, *to, s);
                     }
                   },
                   {work.in, seen},
                   out});
  }

  void copy(Stream stream, CopyWork work) override {
    int64_t elements = 1;
    for (const Plan::Axis& axis : work.axes) elements *= axis.extent;
    StoragePtr in = work.in, out = work.out;
    run_on_host(stream, {[work = std::move(work)] { run_copy(work); },
                         {std::move(in)},
                         std::move(out),
                         elements});
  }

  void run_on_host(Stream stream, Work work) override {
    work.output->data();  // memory for it, or none is an error here and now
    find(stream).run_on_host(std::move(work));
  }

 private:
  // CUDA does not survive a fork.
  void check_process() const {
    if (generation_ != fork_generation()) {
      throw std::runtime_error(
          "[stream] The GPU cannot be used after a fork; use the cpu, or start "
          "the process afresh.");
    }
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
    std::lock_guard lock(gpu.mutex);
    auto index = static_cast<size_t>(stream.index);
    if (gpu.streams.size() <= index) gpu.streams.resize(index + 1);
    auto& found = gpu.streams[index];
    if (!found) found = std::make_unique<CudaStream>(gpu.device);
    return *found;
  }

  Launch prepare(const Passes& passes, const KernelSet& kernels, Device on) {
    CudaDevice& device = find(on.index).device;
    CudaStoragePtr posts;
    if (passes.params.chunks != 1) {
      posts = std::make_shared<CudaStorage>(passes.aggregate_bytes(), device);
      posts->prepare_on_gpu();
    }
    return {device.function(kernels.name), passes.params, passes.groups(),
            std::move(posts)};
  }

  // Copies an input that has more axes than the kernels take.
  void make_contiguous(Stream stream, ScanWork& work) {
    StoragePtr in = allocate(stream.device, work.out->nbytes());
    copy(stream, {axes_of(work.plan), work.dtype, work.dtype, work.in_offset,
                  work.in, in});
    work.in = std::move(in);
    work.in_offset = 0;
    work.plan = contiguous_plan(work.plan, work.dtype);
  }

  // The storage where the device sees it: itself, or one that is filled from it
  // and lasts as long. Several devices' are views of each other's.
  CudaStoragePtr seen_by(Device device, const StoragePtr& storage) {
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

  uint32_t generation_;
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
