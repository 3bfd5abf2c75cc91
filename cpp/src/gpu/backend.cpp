// Turns a scan or a copy into launches.
#include "backend.h"

#include <stdexcept>
#include <utility>

#include "../host/copy.h"
#include "copies.h"

namespace upsweep {

namespace {

// The CPU copies this many elements in less time than a GPU takes to start.
constexpr int64_t kFewElements = 1024;

// Whether the CPU does a copy whose input is in main memory: one of few
// elements, or one that reads less than half of the input, all of which would
// first have to go to the GPU.
bool is_cheaper_on_host(Stream stream, const CopyWork& work) {
  if (work.in->device() == stream.device) return false;
  int64_t elements = work.elements();
  size_t read = static_cast<size_t>(elements) * work.in_dtype.size();
  return elements <= kFewElements || read < work.in->nbytes() / 2;
}

const HostKernels& host_kernels_of_cpu() {
  return *find_backend(DeviceType::cpu)->host_kernels();
}

}  // namespace

GpuBackend::GpuBackend(const Tuning& tuning)
    : tuning_(tuning), generation_(fork_generation()) {}

void GpuBackend::scan(Stream stream, ScanWork work) {
  check_process();
  const KernelSet& kernels = kernel_set(work.op, work.dtype);
  if (work.initial.storage || work.reset || work.include_initial) {
    return run_kernel_on_host(stream, std::move(work),
                              host_kernels_of_cpu().scan);
  }
  if (!fits_kernels(work.plan)) make_contiguous(stream, work);
  std::vector<Launch> launches;
  for (const Passes& passes : make_passes(work.plan, kernels, work.in_offset,
                                          work.inclusive, tuning_)) {
    launches.push_back(to_launch(passes, kernels));
  }
  launch(stream, work.in, work.out, launches);
}

void GpuBackend::carry(Stream stream, CarryWork work) {
  check_process();
  kernel_set(work.op, work.dtype);  // throws for a dtype without kernels
  run_kernel_on_host(stream, std::move(work), host_kernels_of_cpu().carry);
}

template <class W>
void GpuBackend::run_kernel_on_host(Stream stream, W work,
                                    void (*run)(const W&)) {
  std::vector<StoragePtr> inputs{work.in};
  if (work.initial.storage) inputs.push_back(work.initial.storage);
  if constexpr (requires { work.reset; }) {
    if (work.reset) inputs.push_back(work.reset);
  }
  const Plan& plan = work.plan;
  int64_t elements = plan.outer_size * plan.inner.extent * plan.length.extent;
  StoragePtr out = work.out;
  run_on_host(stream, {[work = std::move(work), run] { run(work); },
                       std::move(inputs), std::move(out), elements});
}

void GpuBackend::copy(Stream stream, CopyWork work) {
  check_process();
  if (is_cheaper_on_host(stream, work)) return copy_on_host(stream, work);
  std::vector<Launch> launches;
  for (const CopyParams& params : make_copies(work)) {
    launches.push_back(to_launch(params, tuning_.threads));
  }
  launch(stream, work.in, work.out, launches);
}

void GpuBackend::copy_on_host(Stream stream, const CopyWork& work) {
  run_on_host(
      stream,
      {[work] { run_copy(work); }, {work.in}, work.out, work.elements()});
}

void GpuBackend::check_process() const {
  if (generation_ != fork_generation()) {
    throw std::runtime_error(
        "[stream] The GPU cannot be used after a fork; use the cpu, or start "
        "the process afresh.");
  }
}

// Copies an input that has more axes than the kernels support.
void GpuBackend::make_contiguous(Stream stream, ScanWork& work) {
  StoragePtr in = allocate(stream.device, work.out->nbytes());
  CopiedInput copied = copy_input(work.plan);
  copy(stream, {std::move(copied.axes), work.dtype, work.dtype, work.in_offset,
                work.in, in});
  work.in = std::move(in);
  work.in_offset = 0;
  work.plan = std::move(copied.plan);
}

}  // namespace upsweep
