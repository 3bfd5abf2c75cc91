// Turns a scan into passes, and runs copies on the CPU.
#include "backend.h"

#include <stdexcept>
#include <utility>

#include "../host/copy.h"

namespace upsweep {

GpuBackend::GpuBackend(const Tuning& tuning)
    : tuning_(tuning), generation_(fork_generation()) {}

void GpuBackend::scan(Stream stream, ScanWork work) {
  check_process();
  const KernelSet& kernels = kernel_set(work.op, work.dtype);
  if (!fits_kernels(work.plan)) make_contiguous(stream, work);
  launch(
      stream, work, kernels,
      make_passes(work.plan, kernels, work.in_offset, work.inclusive, tuning_));
}

void GpuBackend::copy(Stream stream, CopyWork work) {
  int64_t elements = work.elements();
  StoragePtr in = work.in, out = work.out;
  run_on_host(stream, {[work = std::move(work)] { run_copy(work); },
                       {std::move(in)},
                       std::move(out),
                       elements});
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
