// MetalStorage: bytes that the GPU and the CPU share, and the point of a
// stream's timeline after which the GPU may read them.
#pragma once

#include <Metal/Metal.hpp>
#include <memory>

#include "../core/storage.h"

namespace upsweep {

// A point on the timeline of a stream (stream.h). Without a timeline it counts
// as passed.
struct TimelinePoint {
  MTL::SharedEvent* timeline = nullptr;
  uint64_t value = 0;

  bool passed() const {
    return !timeline || timeline->signaledValue() >= value;
  }
};

class MetalStorage final : public Storage {
 public:
  // From the allocator; throws OutOfMemory.
  MetalStorage(size_t nbytes, Device device);
  // Another buffer over the memory of a storage that is written and outlives
  // it; nullptr if the GPU cannot use that memory.
  static std::shared_ptr<MetalStorage> share(const Storage& memory,
                                             Device device);
  ~MetalStorage() override;

  MTL::Buffer* buffer() const { return buffer_; }
  // Set once, when the work that writes the bytes is given to a stream.
  TimelinePoint written;

 private:
  MetalStorage(MTL::Buffer* buffer, size_t nbytes, Device device,
               bool allocated);

  MTL::Buffer* buffer_;
  bool allocated_;
};

}  // namespace upsweep
