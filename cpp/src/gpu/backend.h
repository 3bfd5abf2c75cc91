// GpuBackend: what the backends of GPUs share. Scans run on the GPU; all other
// work runs on the CPU, in the order of the stream.
#pragma once

#include <cstdint>
#include <vector>

#include "../core/backend.h"
#include "passes.h"

namespace upsweep {

class GpuBackend : public Backend {
 public:
  void scan(Stream stream, ScanWork work) final;
  void copy(Stream stream, CopyWork work) final;

 protected:
  explicit GpuBackend(const Tuning& tuning);

  // Gives the stream the passes of a scan; an empty scan has none.
  virtual void launch(Stream stream, const ScanWork& work,
                      const KernelSet& kernels,
                      const std::vector<Passes>& passes) = 0;

  // Throws std::runtime_error in a forked child, where no GPU can be used.
  void check_process() const;

 private:
  void make_contiguous(Stream stream, ScanWork& work);

  Tuning tuning_;
  uint32_t generation_;
};

}  // namespace upsweep
