// Allocates, clears and frees in the order of a stream.
#include "scratch.h"

#include <algorithm>

#include "../host/memory.h"

namespace upsweep {

using cuda::check;
using cuda::driver;

namespace {

// Launches between two times that states are cleared: clearing takes about as
// long as a launch.
constexpr uint32_t kEpochs = 1024;
// Memory grows twofold up to this size, then by as much.
constexpr size_t kMostAhead = size_t{64} << 20;

}  // namespace

// At exit the driver may already be gone.
CudaScratch::~CudaScratch() {
  for (const Buffer& buffer : {states_, other_}) {
    if (buffer.address) driver().free_in_order(buffer.address, stream_);
  }
}

void CudaScratch::reserve(const ScratchSizes& sizes) {
  grow(other_, sizes.other);
  if (grow(states_, sizes.states)) epoch_ = 0;
}

// By more than is needed: a stream of ever larger scans allocates few times.
bool CudaScratch::grow(Buffer& buffer, size_t nbytes) {
  if (nbytes <= buffer.nbytes) return false;
  size_t ahead = buffer.nbytes + std::min(buffer.nbytes, kMostAhead);
  Buffer larger{0, std::max(nbytes, ahead)};
  auto allocate = [&] {
    return driver().allocate_in_order(&larger.address, larger.nbytes, stream_);
  };
  int result = allocate();
  if (result == cuda::kOutOfMemory) {
    larger.nbytes = nbytes;
    global_allocator().clear_cache();
    result = allocate();
  }
  check(result, "allocating memory between kernels");
  if (buffer.address) {
    check(driver().free_in_order(buffer.address, stream_), "freeing memory");
  }
  buffer = larger;
  return true;
}

uint32_t CudaScratch::next_epoch() {
  if (epoch_ == kEpochs) epoch_ = 0;
  if (epoch_ == 0) {
    check(driver().clear(states_.address, 0, states_.nbytes, stream_),
          "clearing memory");
  }
  return ++epoch_;
}

}  // namespace upsweep
