// CudaScratch: memory that the kernels of one stream use between them, one
// after the other. It is allocated and freed in the order of the stream, so it
// can grow while kernels use it, and a CUDA graph that captures the stream has
// it as memory of its own. Without memory pools, growing waits for the device,
// and no graph can have memory.
//
// CUDA may give the handle of a destroyed stream again while that stream's work
// still runs. The new stream gets other memory.
//
// Tile states (metal/look_back.h) are apart from everything else: they are
// cleared when they are new, and from then on each launch tells its own by an
// epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device.h"

namespace upsweep {

struct ScratchSizes {
  size_t states = 0;
  size_t other = 0;

  bool is_empty() const { return states == 0 && other == 0; }
};

// Its functions need the device's context, and only one thread at a time may
// give the stream work that uses it.
class CudaScratch {
 public:
  CudaScratch(const CudaDevice& device, cuda::Stream stream)
      : device_(device), stream_(stream) {}
  ~CudaScratch();
  CudaScratch(const CudaScratch&) = delete;
  CudaScratch& operator=(const CudaScratch&) = delete;

  // Leaves what another stream with the same handle has used. The id is CUDA's.
  void switch_to(unsigned long long id);
  // Makes room for what is launched from now on; throws OutOfMemory.
  void reserve(const ScratchSizes& sizes);
  // Waits for the device, which ends a capture, and frees everything; if the
  // device cannot be waited for, the next call does.
  void free_all() noexcept;

  cuda::Address states() const { return states_.address; }
  cuda::Address other() const { return other_.address; }
  // For the next launch that uses states: not 0, and unlike all that its states
  // have been marked with since they were cleared.
  uint32_t next_epoch();

 private:
  struct Buffer {
    cuda::Address address = 0;
    size_t nbytes = 0;
  };
  bool grow(Buffer& buffer, size_t nbytes);
  void leave(Buffer& buffer);
  void free_left() noexcept;

  const CudaDevice& device_;
  cuda::Stream stream_;
  unsigned long long id_ = 0;  // of the stream that has had the handle last
  Buffer states_;
  Buffer other_;
  // What may still be in use, by work that no event tells of.
  std::vector<cuda::Address> left_;
  uint32_t epoch_ = 0;  // of the last launch; 0 if the states are not cleared
};

}  // namespace upsweep
