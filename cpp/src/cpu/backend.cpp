// The CPU's streams, memory and description.
#include "backend.h"

#include <pthread.h>

#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "../host/copy.h"
#include "../host/memory.h"
#include "../host/pool.h"
#include "../host/queue.h"
#include "../host/stream_table.h"
#include "isa.h"

namespace upsweep {

namespace {

class CpuStorage final : public Storage {
 public:
  explicit CpuStorage(size_t nbytes)
      : Storage(global_allocator().allocate(nbytes), nbytes, DeviceType::cpu) {}
  ~CpuStorage() override {
    device_view().reset();
    global_allocator().free(data(), nbytes());
  }
};

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "CPU";
}

constexpr const char* kArchitecture =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "arm64";
#else
    "unknown";
#endif

class CpuBackend final : public Backend {
 public:
  // The queues' threads do not survive a fork: the child gets empty queues.
  CpuBackend() {
    pthread_atfork(nullptr, nullptr, [] {
      static_cast<CpuBackend&>(cpu_backend()).streams_.renew();
    });
  }

  int device_count() const override { return 1; }

  DeviceInfo info(int) const override {
    return {{"device_name", processor_name()},
            {"architecture", std::string(kArchitecture)},
            {"memory_size", physical_memory()},
            {"isa", std::string(isa().name)},
            {"threads", static_cast<size_t>(pool().threads())}};
  }

  Stream new_stream(Device device) override { return {streams_.add(), device}; }
  bool has_stream(Stream stream) const override {
    return streams_.has(stream.index);
  }
  void synchronize(Stream stream) override { find(stream).synchronize(); }
  void wait_until_idle(Stream stream) override {
    find(stream).wait_until_idle();
  }

  StoragePtr allocate(Device, size_t nbytes) override {
    return std::make_shared<CpuStorage>(nbytes);
  }

  void scan(Stream stream, ScanWork work) override {
    const Plan& plan = work.plan;
    int64_t elements = plan.outer_size * plan.inner.extent * plan.length.extent;
    if (work.is_plain()) {
      return submit(stream, {&work.in, 1}, work, elements, run_scan);
    }
    submit(stream, work.inputs(), work, elements, run_scan);
  }

  void carry(Stream stream, CarryWork work) override {
    const Plan& plan = work.plan;
    int64_t elements = plan.outer_size * plan.inner.extent * plan.length.extent;
    submit(stream, work.inputs(), work, elements, run_carry);
  }

  FrexpResult frexp(Stream stream, FrexpWork work) override {
    // Mantissas first, then exponents at a multiple of four bytes.
    int64_t elements = work.plan.elements();
    int64_t bytes = elements * static_cast<int64_t>(work.dtype.size());
    int64_t offset = ceil_div(bytes, 4);
    StoragePtr out =
        allocate(stream.device, static_cast<size_t>(4 * (offset + elements)));
    FrexpResult result{out, out, offset};
    std::vector<StoragePtr> inputs = work.inputs();
    auto run = [work = std::move(work), result] { run_frexp(work, result); };
    run_on_host(stream, {std::move(run), std::move(inputs), out, elements});
    return result;
  }

  void copy(Stream stream, CopyWork work) override {
    int64_t elements = work.elements();
    submit(stream, {&work.in, 1}, work, elements, run_copy);
  }

  void recurrence(Stream stream, RecurrenceWork work) override {
    int64_t elements = work.plan.elements();
    submit(stream, work.inputs(), work, elements, run_recurrence);
  }

  void gradient(Stream stream, GradientWork work) override {
    int64_t elements = work.plan.elements();
    submit(stream, work.inputs(), work, elements, run_gradient);
  }

  void run_on_host(Stream stream, Work work) override {
    find(stream).run(std::move(work));
  }

 private:
  // Work of one kind, wrapped for the queue only where it has to go there.
  template <class W>
  void submit(Stream stream, std::span<const StoragePtr> inputs, W& work,
              int64_t elements, void (*run)(const W&)) {
    HostQueue& on = find(stream);
    if (on.try_run([&] { run(work); }, inputs, *work.out, elements)) return;
    Work queued{{}, {inputs.begin(), inputs.end()}, work.out, elements};
    queued.run = [work = std::move(work), run] { run(work); };
    on.wait_for_room();
    on.queue(std::move(queued));
  }

  HostQueue& find(Stream stream) {
    return streams_.find(stream.index,
                         [] { return std::make_unique<HostQueue>(); });
  }

  StreamTable<HostQueue> streams_;
};

}  // namespace

Backend& cpu_backend() {
  // Never destroyed: its threads run to the end of the process.
  static CpuBackend& backend = *new CpuBackend;
  return backend;
}

}  // namespace upsweep
