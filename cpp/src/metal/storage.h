// MetalStorage: bytes that the GPU and the processors share, and the moment of
// a stream's timeline from which on the GPU may read them.
#pragma once

#include <Metal/Metal.hpp>
#include <memory>

#include "../allocator.h"
#include "../storage.h"

namespace upsweep {

// A moment on the timeline of a stream (stream.h). A null timeline is always.
struct Moment {
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
  // Another name for memory of the processors', which outlives it and is
  // computed already: nullptr where the GPU cannot see it as it is.
  static std::shared_ptr<MetalStorage> share(const Storage& memory,
                                             Device device);
  ~MetalStorage() override;

  MTL::Buffer* buffer() const { return buffer_; }
  // Set once, when the work that writes the bytes is given to a stream.
  Moment written;

 private:
  MetalStorage(MTL::Buffer* buffer, size_t nbytes, Device device,
               bool allocated);

  MTL::Buffer* buffer_;
  bool allocated_;
};

}  // namespace upsweep
