// Buffers in shared mode: one memory for the GPU and the CPU. Metal tracks
// hazards of these buffers itself, which keeps passes and streams of one device
// in order without fences; a scan has so few buffers that this costs nothing
// noticeable.
#include "storage.h"

#include <unistd.h>

#include <string>

#include "../host/memory.h"
#include "device.h"
#include "upsweep/error.h"

namespace upsweep {

namespace {

constexpr MTL::ResourceOptions kShared = MTL::ResourceStorageModeShared;

// The allocator's handles are MTL::Buffers.
const Allocator::Source source{[](size_t nbytes) -> void* {
                                 AutoreleaseScope scope;
                                 return metal_device()->handle->newBuffer(
                                     nbytes, kShared);
                               },
                               [](void* buffer, size_t) {
                                 AutoreleaseScope scope;
                                 static_cast<MTL::Buffer*>(buffer)->release();
                               },
                               false};

MTL::Buffer* allocate(size_t nbytes) {
  size_t most = metal_device()->handle->maxBufferLength();
  if (nbytes > most) {
    throw OutOfMemory("[malloc] Unable to allocate " + std::to_string(nbytes) +
                      " bytes: the largest buffer of this GPU has " +
                      std::to_string(most) + ".");
  }
  return static_cast<MTL::Buffer*>(global_allocator().allocate(nbytes, source));
}

}  // namespace

MetalStorage::MetalStorage(size_t nbytes, Device device)
    : MetalStorage(allocate(nbytes), nbytes, device, true) {}

MetalStorage::MetalStorage(MTL::Buffer* buffer, size_t nbytes, Device device,
                           bool allocated)
    : Storage(buffer->contents(), nbytes, device),
      buffer_(buffer),
      allocated_(allocated) {}

std::shared_ptr<MetalStorage> MetalStorage::share(const Storage& memory,
                                                  Device device) {
  auto page = static_cast<size_t>(getpagesize());
  if (reinterpret_cast<uintptr_t>(memory.data()) % page != 0) return nullptr;
  // The last page may end beyond the memory; no kernel reads that far.
  size_t whole = (memory.nbytes() + page - 1) / page * page;
  if (whole == 0 || whole > metal_device()->handle->maxBufferLength()) {
    return nullptr;
  }
  MTL::Buffer* buffer =
      metal_device()->handle->newBuffer(memory.data(), whole, kShared, nullptr);
  if (!buffer) return nullptr;
  std::shared_ptr<MetalStorage> shared(
      new MetalStorage(buffer, memory.nbytes(), device, false));
  shared->ready().signal();
  return shared;
}

MetalStorage::~MetalStorage() {
  if (allocated_) {
    global_allocator().free(buffer_, nbytes(), source);
  } else {
    AutoreleaseScope scope;
    buffer_->release();
  }
}

}  // namespace upsweep
