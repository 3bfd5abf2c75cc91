// Turns a scan or a copy into launches.
#include "backend.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "../../../metal/carry_number.h"
#include "../host/copy.h"
#include "carry_numbers.h"
#include "copies.h"

namespace upsweep {

namespace {

// The CPU copies this many elements in less time than a GPU takes to start.
constexpr int64_t kFewElements = 1024;
// A carry is left to the CPU if there are fewer elements for each ChunkCarry.
constexpr int64_t kLeastChunk = 64;
// What it costs the CPU to read one, in elements.
constexpr int64_t kFoldCost = 64;

// Whether the CPU does a copy whose input is in main memory: one of few
// elements, or one that reads less than half of the input, all of which would
// first have to go to the GPU.
bool is_cheaper_on_host(Stream stream, const CopyWork& work) {
  if (work.in->device() == stream.device) return false;
  int64_t elements = work.elements();
  size_t read = static_cast<size_t>(elements) * work.in_dtype.size();
  return elements <= kFewElements || read < work.in->nbytes() / 2;
}

// Work that the kernels do not compute.
template <class Planned>
Work on_host(Planned work, void (*run)(const Planned&)) {
  std::vector<StoragePtr> inputs = work.inputs();
  StoragePtr out = work.out;
  int64_t elements = work.plan.elements();
  return {[work = std::move(work), run] { run(work); }, std::move(inputs),
          std::move(out), elements};
}

// Over all lines and chunks.
int64_t count_chunk_carries(const CarryWork& work,
                            const std::vector<Passes>& passes) {
  if (passes.empty()) return 0;
  return passes.front().params.chunks * work.plan.lines() *
         kernel_set(work.op, work.dtype).components;
}

}  // namespace

GpuBackend::GpuBackend(const Tuning& tuning)
    : tuning_(tuning), generation_(fork_generation()) {}

void GpuBackend::scan(Stream stream, ScanWork work) {
  check_process();
  kernel_set(work.op, work.dtype);  // throws for a dtype without kernels
  if (work.plan.elements() == 0) return launch(stream, {work.in}, work.out, {});
  work.initial = convert_carries(stream, work.initial, work.op, work.dtype);
  if (work.reset) {
    Dtype dtype = reset_dtype(work.op, work.dtype);
    if (dtype != work.dtype) return scan_as(stream, std::move(work), dtype);
  }
  const KernelSet& kernels = work.reset ? reset_kernel_set(work.op, work.dtype)
                                        : kernel_set(work.op, work.dtype);
  launch_scan(stream, std::move(work), kernels);
}

void GpuBackend::launch_scan(Stream stream, ScanWork work,
                             const KernelSet& kernels) {
  if (!fits_kernels(work.plan)) make_contiguous(stream, work, work.dtype);
  std::vector<Launch> launches;
  for (const Passes& passes : make_passes(work, kernels, tuning_)) {
    launches.push_back(to_launch(passes, kernels, tuning_));
  }
  launch(stream, {work.in, work.reset, work.initial.storage}, work.out,
         std::move(launches));
}

// The kernels read the elements; the CPU puts together what they make of the
// chunks. Totals cost the least. Where they cannot tell, because a result may
// leave the range within a chunk, the GPU reads the elements again.
void GpuBackend::carry(Stream stream, CarryWork work) {
  check_process();
  uint32_t gives = tuning_.look_back ? kGivesTotals : kGivesCarries;
  int64_t elements = work.plan.elements();
  int64_t carries = count_chunk_carries(work, carry_passes(work, {}, gives));
  if (elements < carries * kLeastChunk || carries == 0) {
    return run_on_host(stream, on_host(std::move(work), run_carry));
  }
  std::vector<StoragePtr> inputs = work.inputs();
  StoragePtr out = work.out;
  ChunkCarries chunks = read_chunks(stream, work, gives);
  inputs.push_back(chunks.storage);
  auto fold = [this, stream, work = std::move(work), chunks, gives] {
    auto from = [&](const ChunkCarries& c, bool have_prefixes) {
      return fold_chunk_carries(work, c.storage->data(), c.chunks,
                                have_prefixes);
    };
    if (from(chunks, gives == kGivesCarries)) return;
    // On another stream, because this one waits for the result.
    ChunkCarries exact =
        read_chunks(second_stream(stream.device), work, kGivesCarries);
    exact.storage->ready().wait();
    from(exact, true);
  };
  run_on_host(stream, {std::move(fold), std::move(inputs), std::move(out),
                       carries * kFoldCost});
}

// Passes for what the chunks of lines amount to; none if the kernels cannot
// walk the plan.
std::vector<Passes> GpuBackend::carry_passes(const CarryWork& work,
                                             const Initial& initial,
                                             uint32_t gives) const {
  const KernelSet& kernels = kernel_set(work.op, work.dtype);
  if (!fits_kernels(work.plan)) return {};
  return make_passes({work.op, work.dtype, work.plan, true, work.in_offset,
                      work.in, nullptr, initial},
                     kernels, tuning_, gives);
}

GpuBackend::ChunkCarries GpuBackend::read_chunks(Stream stream,
                                                 const CarryWork& work,
                                                 uint32_t gives) {
  Initial initial;
  if (gives == kGivesCarries) {
    initial = convert_carries(stream, work.initial, work.op, work.dtype);
  }
  std::vector<Passes> all = carry_passes(work, initial, gives);
  std::vector<Launch> launches;
  for (const Passes& passes : all) {
    launches.push_back(
        to_launch(passes, kernel_set(work.op, work.dtype), tuning_));
  }
  auto carries = static_cast<size_t>(count_chunk_carries(work, all));
  StoragePtr storage = allocate(stream.device, carries * sizeof(ChunkCarry));
  launch(stream, {work.in, nullptr, initial.storage}, storage,
         std::move(launches));
  return {std::move(storage), all.front().params.chunks};
}

// A stream for work that a stream's own work waits for.
Stream GpuBackend::second_stream(Device device) {
  std::lock_guard lock(mutex_);
  auto found = second_streams_.find(device.index);
  if (found == second_streams_.end()) {
    found = second_streams_.emplace(device.index, new_stream(device)).first;
  }
  return found->second;
}

// The kernels scan pairs of a float32 and an exponent. An element becomes a
// pair as it becomes a complex number; copies take the results apart.
FrexpResult GpuBackend::frexp(Stream stream, FrexpWork work) {
  check_process();
  const KernelSet& kernels = frexp_kernel_set(work.dtype);
  int64_t elements = work.plan.elements();
  auto n = static_cast<size_t>(elements);
  FrexpResult result{allocate(stream.device, n * work.dtype.size()),
                     allocate(stream.device, n * int32.size()), 0};
  if (elements == 0) {
    launch(stream, {work.in}, result.mantissas, {});
    launch(stream, {work.in}, result.exponents, {});
    return result;
  }
  StoragePtr pairs = allocate(stream.device, n * complex64.size());
  ScanWork scan{Op::prod,       work.dtype, work.plan, work.inclusive,
                work.in_offset, work.in,    pairs,     work.initial};
  if (scan.initial.kind == Initial::Kind::carry) {
    scan.initial = convert_carries(stream, work.initial, Op::prod, work.dtype,
                                   &CarryRecord::total);
  } else if (scan.initial.kind == Initial::Kind::element) {
    scan.initial = convert_elements(stream, scan, complex64);
  }
  make_contiguous(stream, scan, complex64);
  launch_scan(stream, std::move(scan), kernels);
  std::vector<Plan::Axis> alternate{{elements, 2, 1}};
  copy(stream, {alternate, float32, work.dtype, 0, pairs, result.mantissas});
  copy(stream, {alternate, int32, int32, 1, pairs, result.exponents});
  return result;
}

void GpuBackend::copy(Stream stream, CopyWork work) {
  check_process();
  if (is_cheaper_on_host(stream, work)) return copy_on_host(stream, work);
  std::vector<Launch> launches;
  for (const CopyParams& params : make_copies(work)) {
    launches.push_back(to_launch(params, tuning_.threads));
  }
  launch(stream, {work.in}, work.out, std::move(launches));
}

void GpuBackend::recurrence(Stream stream, RecurrenceWork work) {
  check_process();
  if (work.dtype == float64) {
    throw std::invalid_argument(
        "[linear_recurrence] float64 is not supported on the GPU; give the "
        "recurrence a stream of the CPU, as in stream=upsweep.cpu.");
  }
  const KernelSet* kernels = recurrence_kernel_set(work.dtype);
  if (!kernels) {
    return run_on_host(stream, on_host(std::move(work), run_recurrence));
  }
  if (!fits_kernels(work.plan)) make_contiguous(stream, work);
  if (work.reset.storage && work.reset.offset != 0) {
    // Kernels find a reset at the index of its result.
    work.reset =
        copy_of(stream, bool_, work.reset, {{work.plan.elements(), 1, 1}});
  }
  Initial initial = convert_initial(stream, work);
  std::vector<Launch> launches;
  for (const Passes& passes : make_passes(work, initial, *kernels, tuning_)) {
    launches.push_back(to_launch(passes, *kernels, tuning_));
  }
  launch(stream,
         {work.a.storage, work.reset.storage, initial.storage, work.b.storage},
         work.out, std::move(launches));
}

void GpuBackend::copy_on_host(Stream stream, const CopyWork& work) {
  run_on_host(
      stream,
      {[work] { run_copy(work); }, {work.in}, work.out, work.elements()});
}

void GpuBackend::gradient(Stream stream, GradientWork work) {
  check_process();
  const KernelSet* kernels = derivative_kernel_set(work.kind, work.dtype);
  if (!kernels || work.reset.storage) {
    return run_on_host(stream, on_host(std::move(work), run_gradient));
  }
  if (!fits_kernels(work.plan)) make_contiguous(stream, work);
  std::vector<Launch> launches;
  for (const Passes& passes : make_passes(work, *kernels, tuning_)) {
    launches.push_back(to_launch(passes, *kernels, tuning_));
  }
  launch(stream, {work.a.storage, nullptr, nullptr, work.b.storage}, work.out,
         std::move(launches));
}

void GpuBackend::check_process() const {
  if (generation_ != fork_generation()) {
    throw std::runtime_error(
        "[stream] The GPU cannot be used after a fork; use the cpu, or start "
        "the process afresh.");
  }
}

// Scans in another dtype, and converts the input before and the results after.
void GpuBackend::scan_as(Stream stream, ScanWork work, Dtype dtype) {
  Dtype result_dtype = work.dtype;
  StoragePtr result = work.out;
  size_t elements = result->nbytes() / result_dtype.size();
  StoragePtr out = allocate(stream.device, elements * dtype.size());
  if (work.initial.kind == Initial::Kind::element) {
    work.initial = convert_elements(stream, work, dtype);
  }
  make_contiguous(stream, work, dtype);
  work.out = out;
  const KernelSet& kernels = reset_kernel_set(work.op, dtype);
  launch_scan(stream, std::move(work), kernels);
  copy(stream, {{{static_cast<int64_t>(elements), 1, 1}},
                dtype,
                result_dtype,
                0,
                out,
                result});
}

// The initial elements in another dtype.
Initial GpuBackend::convert_elements(Stream stream, const ScanWork& work,
                                     Dtype dtype) {
  const Initial& from = work.initial;
  int64_t count = from.per_line ? work.plan.lines() : 1;
  StoragePtr to =
      allocate(stream.device, static_cast<size_t>(count) * dtype.size());
  copy(stream,
       {{{count, 1, 1}}, work.dtype, dtype, from.offset, from.storage, to});
  return {from.kind, from.per_line, 0, to};
}

// Carries, if there are some, as the kernels read them.
Initial GpuBackend::convert_carries(Stream stream, const Initial& initial,
                                    Op op, Dtype dtype,
                                    CarryRecord::Number CarryRecord::* which) {
  using Kind = Initial::Kind;
  if (initial.kind != Kind::carry) return initial;
  const StoragePtr& from = initial.storage;
  size_t count = from->nbytes() / sizeof(CarryRecord);
  StoragePtr to =
      allocate(stream.device, count * carry_number_bytes(op, dtype));
  auto run = [op, dtype, which, from, count, to] {
    write_carry_numbers(op, dtype, static_cast<CarryRecord*>(from->data()),
                        which, count, to->data());
  };
  run_on_host(stream, {run, {from}, to, static_cast<int64_t>(count)});
  bool numbers = has_carry_numbers(op, dtype);
  return {numbers ? Kind::carry : Kind::element, true, 0, to};
}

// Copies the input, as an array of a dtype: one that has more axes than the
// kernels support, or another dtype than they.
void GpuBackend::make_contiguous(Stream stream, ScanWork& work, Dtype dtype) {
  auto elements = static_cast<size_t>(work.plan.elements());
  StoragePtr in = allocate(stream.device, elements * dtype.size());
  CopiedInput copied = copy_input(work.plan);
  copy(stream, {std::move(copied.axes), work.dtype, dtype, work.in_offset,
                work.in, in});
  work.in = std::move(in);
  work.dtype = dtype;
  work.in_offset = 0;
  work.plan = std::move(copied.plan);
}

// The same of the inputs of a recurrence.
void GpuBackend::make_contiguous(Stream stream, RecurrenceWork& work) {
  using Plan = RecurrencePlan;
  work.a = copy_of(stream, work.dtype, work.a, copied_axes(work.plan, Plan::a));
  work.b = copy_of(stream, work.dtype, work.b, copied_axes(work.plan, Plan::b));
  if (work.initial.storage) {
    work.initial = copy_of(stream, work.dtype, work.initial,
                           copied_initial_axes(work.plan));
  }
  work.plan = copied_plan(work.plan);
}

RecurrenceWork::Input GpuBackend::copy_of(Stream stream, Dtype dtype,
                                          const RecurrenceWork::Input& from,
                                          std::vector<Plan::Axis> axes) {
  CopyWork copied{std::move(axes), dtype,        dtype,
                  from.offset,     from.storage, nullptr};
  copied.out = allocate(stream.device,
                        static_cast<size_t>(copied.elements()) * dtype.size());
  copy(stream, copied);
  return {copied.out, 0};
}

// What lines start with, as the kernels read it: one number for all, or one for
// each in the order of lines.
Initial GpuBackend::convert_initial(Stream stream, const RecurrenceWork& work) {
  RecurrenceWork::Input initial = work.initial;
  if (!initial.storage) return {};
  std::vector<Plan::Axis> axes = copied_initial_axes(work.plan);
  auto is_shared = [](const Plan::Axis& axis) {
    return axis.extent == 1 || axis.in_step == 0;
  };
  auto is_in_place = [](const Plan::Axis& axis) {
    return axis.extent == 1 || axis.in_step == axis.out_step;
  };
  bool per_line = !std::all_of(axes.begin(), axes.end(), is_shared);
  if (per_line && !std::all_of(axes.begin(), axes.end(), is_in_place)) {
    initial = copy_of(stream, work.dtype, initial, std::move(axes));
  }
  return {Initial::Kind::element, per_line, initial.offset, initial.storage};
}

}  // namespace upsweep
