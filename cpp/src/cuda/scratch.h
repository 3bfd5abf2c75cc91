// CudaScratch: memory that the kernels of one stream use between them, one
// after the other. It is allocated and freed in the order of the stream, so it
// can grow while kernels use it, and a CUDA graph that captures the stream has
// it as memory of its own.
//
// Tile states (metal/look_back.h) are apart from everything else: they are
// cleared when they are new, and from then on each launch tells its own by an
// epoch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "driver.h"

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
  explicit CudaScratch(cuda::Stream stream) : stream_(stream) {}
  ~CudaScratch();
  CudaScratch(const CudaScratch&) = delete;
  CudaScratch& operator=(const CudaScratch&) = delete;

  // Makes room for what is launched from now on; throws OutOfMemory.
  void reserve(const ScratchSizes& sizes);

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

  cuda::Stream stream_;
  Buffer states_;
  Buffer other_;
  uint32_t epoch_ = 0;  // of the last launch; 0 if the states are not cleared
};

}  // namespace upsweep
