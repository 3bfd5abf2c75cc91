// Allocates, clears and frees in the order of a stream.
#include "scratch.h"

#include <algorithm>

namespace upsweep {

using cuda::check;
using cuda::driver;

namespace {

// Launches between two times that states are cleared: clearing takes about as
// long as a launch.
constexpr uint32_t kEpochs = 1024;
// Buffers of streams that are gone, before all are freed: that waits for the
// device.
constexpr size_t kMostLeft = 32;
// Memory grows twofold up to this size, then by as much.
constexpr size_t kMostAhead = size_t{64} << 20;

}  // namespace

// At exit the driver may already be gone.
CudaScratch::~CudaScratch() {
  for (Buffer* buffer : {&states_, &other_}) {
    if (buffer->address && device_.has_pools()) {
      driver().free_in_order(buffer->address, stream_);
      *buffer = {};
    }
  }
  free_all();
}

void CudaScratch::switch_to(unsigned long long id) {
  if (id == id_) return;
  leave(states_);
  leave(other_);
  id_ = id;
}

void CudaScratch::reserve(const ScratchSizes& sizes) {
  if (left_.size() > kMostLeft) free_left();
  grow(other_, sizes.other);
  if (grow(states_, sizes.states)) epoch_ = 0;
}

void CudaScratch::free_all() noexcept {
  leave(states_);
  leave(other_);
  free_left();
}

// By more than is needed: a stream of ever larger scans allocates few times.
bool CudaScratch::grow(Buffer& buffer, size_t nbytes) {
  if (nbytes <= buffer.nbytes) return false;
  size_t ahead = buffer.nbytes + std::min(buffer.nbytes, kMostAhead);
  Buffer larger{0, std::max(nbytes, ahead)};
  auto allocate = [&] {
    return device_.has_pools()
               ? driver().allocate_in_order(&larger.address, larger.nbytes,
                                            stream_)
               : driver().allocate(&larger.address, larger.nbytes);
  };
  int result = allocate();
  if (result == cuda::kOutOfMemory && larger.nbytes > nbytes) {
    larger.nbytes = nbytes;
    result = allocate();
  }
  check(result, "allocating memory between kernels");
  if (!device_.has_pools()) {
    leave(buffer);
    free_left();
  } else if (buffer.address) {
    check(driver().free_in_order(buffer.address, stream_), "freeing memory");
  }
  buffer = larger;
  return true;
}

void CudaScratch::leave(Buffer& buffer) {
  if (buffer.address) left_.push_back(buffer.address);
  buffer = {};
}

void CudaScratch::free_left() noexcept {
  if (left_.empty() || driver().wait_for_device() != cuda::kSuccess) return;
  for (cuda::Address address : left_) driver().free(address);
  left_.clear();
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
