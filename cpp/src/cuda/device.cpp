// Finds GPUs, and manages their memory and the kernels embedded for them.
#include "device.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "../host/memory.h"
#include "../host/pool.h"
#include "kernels.h"

namespace upsweep {

namespace {

using cuda::check;
using cuda::driver;

// Bytes moved at a time between main memory and the device's.
constexpr size_t kPiece = size_t{4} << 20;

void* to_pointer(cuda::Address address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}
cuda::Address to_address(void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

// Several threads copy faster than one.
void copy(void* to, const void* from, size_t nbytes) {
  for_ranges(static_cast<int64_t>(nbytes), [&](int64_t first, int64_t last) {
    std::memcpy(static_cast<char*>(to) + first,
                static_cast<const char*>(from) + first,
                static_cast<size_t>(last - first));
  });
}

const void* find_image(const std::string& set) {
  for (size_t i = 0; i < cuda::kernel_image_count; ++i) {
    if (cuda::kernel_images[i].set == set) return cuda::kernel_images[i].data;
  }
  throw std::logic_error("[cuda] There are no kernels " + set + ".");
}

int attribute(int which, int device) {
  int value = 0;
  check(driver().device_attribute(&value, which, device), "asking a device");
  return value;
}

}  // namespace

CudaDevice::CudaDevice(int index) : index_(index) {
  check(driver().device_get(&handle_, index), "finding a device");
  check(driver().retain_context(&context_, handle_), "starting a device");
  has_pools_ = attribute(cuda::kMemoryPools, handle_) != 0;
  source_ = {[this](size_t nbytes) -> void* {
               cuda::Current current(context_);
               cuda::Address address;
               int result = driver().allocate(&address, nbytes);
               if (result == cuda::kOutOfMemory) return nullptr;
               check(result, "allocating memory");
               return to_pointer(address);
             },
             [this](void* data, size_t) {
               // At exit the driver may already be gone.
               cuda::DuringCaptures allowed;
               cuda::Context popped;
               if (driver().push_context(context_) != cuda::kSuccess) return;
               driver().free(to_address(data));
               driver().pop_context(&popped);
             },
             false};
}

DeviceInfo CudaDevice::info() const {
  char name[256] = {};
  size_t memory = 0;
  check(driver().device_name(name, sizeof name, handle_), "asking a device");
  check(driver().device_memory(&memory, handle_), "asking a device");
  return {{"device_name", std::string(name)},
          {"architecture",
           "sm_" + std::to_string(attribute(cuda::kMajor, handle_)) +
               std::to_string(attribute(cuda::kMinor, handle_))},
          {"memory_size", memory}};
}

cuda::Address CudaDevice::allocate(size_t nbytes) {
  return to_address(global_allocator().allocate(nbytes, source_));
}

void CudaDevice::free(cuda::Address address, size_t nbytes) noexcept {
  global_allocator().free(to_pointer(address), nbytes, source_);
}

// At exit the driver may already be gone.
void CudaDevice::free_in_graph(cuda::Address address,
                               cuda::Stream stream) noexcept {
  cuda::DuringCaptures allowed;
  cuda::Context popped;
  if (driver().push_context(context_) != cuda::kSuccess) return;
  int status = 0;
  if (driver().is_capturing(stream, &status) == cuda::kSuccess && status != 0) {
    driver().free_in_order(address, stream);
  }
  driver().pop_context(&popped);
}

void CudaDevice::open_staging() {
  if (transfers_) return;
  for (Half& half : halves_) {
    if (!half.free) half.free = std::make_shared<CudaEvent>(context_);
    if (!half.pinned) {
      check(driver().allocate_pinned(&half.pinned, kPiece, 0),
            "allocating pinned memory");
    }
  }
  check(driver().create_stream(&transfers_, cuda::kNonBlocking),
        "making a stream");
}

void CudaDevice::upload(cuda::Address to, const void* from, size_t nbytes) {
  cuda::Current current(context_);
  std::lock_guard lock(staging_);
  open_staging();
  for (size_t at = 0, i = 0; at < nbytes; at += kPiece, ++i) {
    Half& half = halves_[i % 2];
    size_t n = std::min(kPiece, nbytes - at);
    half.free->wait();
    copy(half.pinned, static_cast<const char*>(from) + at, n);
    check(driver().copy_to_device(to + at, half.pinned, n, transfers_),
          "copying to the device");
    half.free->record(transfers_);
  }
  for (Half& half : halves_) half.free->wait();
}

void CudaDevice::download(void* to, cuda::Address from, size_t nbytes) {
  cuda::Current current(context_);
  std::lock_guard lock(staging_);
  open_staging();
  auto fetch = [&](size_t at, const Half& half) {
    if (at >= nbytes) return;
    check(driver().copy_to_host(half.pinned, from + at,
                                std::min(kPiece, nbytes - at), transfers_),
          "copying from the device");
    half.free->record(transfers_);
  };
  fetch(0, halves_[0]);
  for (size_t at = 0, i = 0; at < nbytes; at += kPiece, ++i) {
    fetch(at + kPiece, halves_[(i + 1) % 2]);
    const Half& half = halves_[i % 2];
    half.free->wait();
    copy(static_cast<char*>(to) + at, half.pinned,
         std::min(kPiece, nbytes - at));
  }
}

void CudaDevice::copy_from(CudaDevice& peer, cuda::Address to,
                           cuda::Address from, size_t nbytes) {
  cuda::Current current(context_);
  std::lock_guard lock(staging_);
  open_staging();
  enable(peer);
  check(driver().copy_from_peer(to, context_, from, peer.context_, nbytes,
                                transfers_),
        "copying from another device");
  halves_[0].free->record(transfers_);
  halves_[0].free->wait();
}

// Without this the driver takes the way through main memory.
void CudaDevice::enable(const CudaDevice& peer) {
  if (peers_.contains(peer.index_)) return;
  int can = 0;
  check(driver().can_be_peer(&can, handle_, peer.handle_), "asking a device");
  if (can) {
    int result = driver().enable_peer(peer.context_, 0);
    // Another library may have been here first, or a device has too many peers.
    if (result != cuda::kIsPeerAlready && result != cuda::kTooManyPeers) {
      check(result, "linking two devices");
    }
  }
  peers_.insert(peer.index_);
}

cuda::Function CudaDevice::function(const std::string& stage,
                                    const std::string& set) {
  std::string name = stage + "_" + set;
  std::lock_guard lock(mutex_);
  cuda::Function& function = functions_[name];
  if (function) return function;
  cuda::Current current(context_);
  std::string doing = "Unable to load kernel " + name;
  cuda::Module module;
  check(driver().load_module(&module, find_image(set)), doing.c_str());
  check(driver().get_function(&function, module, name.c_str()), doing.c_str());
  return function;
}

size_t cuda_device_count() {
  static const size_t count = [] {
    int n = 0;
    check(driver().device_count(&n), "counting devices");
    return static_cast<size_t>(n);
  }();
  return count;
}

CudaDevice& cuda_device(int index) {
  // Never destroyed: arrays with static lifetime may outlive it.
  static auto& devices =
      *new std::vector<std::unique_ptr<CudaDevice>>(cuda_device_count());
  static std::mutex& mutex = *new std::mutex;
  std::lock_guard lock(mutex);
  auto& device = devices[static_cast<size_t>(index)];
  if (!device) device = std::make_unique<CudaDevice>(index);
  return *device;
}

}  // namespace upsweep
