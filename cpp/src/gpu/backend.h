// GpuBackend: what the backends of GPUs share. Scans, derivatives
// and copies run on the GPU; all other work runs on the CPU, in the order of
// the stream.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "../core/backend.h"
#include "launch.h"
#include "passes.h"
#include "upsweep/carry.h"

namespace upsweep {

class GpuBackend : public Backend {
 public:
  void scan(Stream stream, ScanWork work) final;
  void carry(Stream stream, CarryWork work) final;
  FrexpResult frexp(Stream stream, FrexpWork work) final;
  void copy(Stream stream, CopyWork work) final;
  void recurrence(Stream stream, RecurrenceWork work) final;
  void gradient(Stream stream, GradientWork work) final;

 protected:
  explicit GpuBackend(const Tuning& tuning);

  // Gives the stream one piece of work: the launches, one after the other. A
  // result without elements has none.
  virtual void launch(Stream stream, const LaunchInputs& inputs,
                      const StoragePtr& out, std::vector<Launch> launches) = 0;

  // Throws std::runtime_error in a forked child, where no GPU can be used.
  void check_process() const;

 private:
  // A ChunkCarry for each line of each chunk.
  struct ChunkCarries {
    StoragePtr storage;
    int64_t chunks;
  };

  std::vector<Passes> carry_passes(const CarryWork& work,
                                   const Initial& initial,
                                   uint32_t gives) const;
  ChunkCarries read_chunks(Stream stream, const CarryWork& work,
                           uint32_t gives);
  Stream second_stream(Device device);
  void copy_on_host(Stream stream, const CopyWork& work);
  void launch_scan(Stream stream, ScanWork work, const KernelSet& kernels);
  void scan_as(Stream stream, ScanWork work, Dtype dtype);
  void make_contiguous(Stream stream, ScanWork& work, Dtype dtype);
  Initial convert_elements(Stream stream, const ScanWork& work, Dtype dtype);
  void make_contiguous(Stream stream, RecurrenceWork& work);
  RecurrenceWork::Input copy_of(Stream stream, Dtype dtype,
                                const RecurrenceWork::Input& from,
                                std::vector<Plan::Axis> axes);
  Initial convert_initial(Stream stream, const RecurrenceWork& work);
  Initial convert_carries(
      Stream stream, const Initial& carries, Op op, Dtype dtype,
      CarryRecord::Number CarryRecord::* which = &CarryRecord::prefix);

  Tuning tuning_;
  std::mutex mutex_;                      // guards what follows
  std::map<int, Stream> second_streams_;  // by the device
  uint32_t generation_;
};

}  // namespace upsweep
