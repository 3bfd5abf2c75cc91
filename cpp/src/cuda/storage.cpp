// Keeps the two copies of a storage's bytes.
#include "storage.h"

#include <algorithm>
#include <exception>

#include "../host/memory.h"

namespace upsweep {

using cuda::check;
using cuda::driver;

CudaStorage::CudaStorage(size_t nbytes, CudaDevice& device)
    : Storage(nullptr, nbytes, device.name()), gpu_(device) {}

CudaStorage::CudaStorage(cuda::Address address, size_t nbytes,
                         CudaDevice& device)
    : Storage(nullptr, nbytes, device.name()),
      gpu_(device),
      borrowed_(true),
      address_(address) {}

CudaStorage::CudaStorage(cuda::Address address, size_t nbytes,
                         CudaDevice& device, std::function<void()> release)
    : Storage(nullptr, nbytes, device.name()),
      gpu_(device),
      release_(std::move(release)),
      address_(address),
      writes_on_gpu_(true) {}

CudaStorage::~CudaStorage() {
  device_view().reset();
  for (cuda::Stream stream : consumers_) wait_for_consumer(stream);
  if (release_) {
    release(std::move(release_));
  } else if (address_ && !borrowed_) {
    gpu_.free(address_, nbytes());
  }
  if (host_) global_allocator().free(host_, nbytes());
}

const void* CudaStorage::export_pointer(cuda::Stream consumer) {
  std::lock_guard lock(mutex_);
  if (consumer) {
    cuda::Current current(gpu_.context());
    if (written_ && !ready().is_ready()) {
      check(driver().wait_for(consumer, written_->handle(), 0), "exporting");
    }
    if (!borrowed_ && std::find(consumers_.begin(), consumers_.end(),
                                consumer) == consumers_.end()) {
      consumers_.push_back(consumer);
    }
  }
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(address_));
}

// A destroyed stream has nothing left to wait for.
void CudaStorage::wait_for_consumer(cuda::Stream stream) noexcept {
  try {
    cuda::Current current(gpu_.context());
    CudaEvent done(gpu_.context());
    done.record(stream);
    done.wait();
  } catch (const std::exception&) {
  }
}

void* CudaStorage::data() const {
  std::lock_guard lock(mutex_);
  if (host_) return host_;
  void* host = global_allocator().allocate(nbytes());
  if (writes_on_gpu_) {
    try {
      gpu_.download(host, address_, nbytes());
    } catch (...) {
      global_allocator().free(host, nbytes());
      throw;
    }
  }
  return host_ = host;
}

void CudaStorage::prepare_on_gpu() {
  if (!address_) address_ = gpu_.allocate(nbytes());
  writes_on_gpu_ = true;
}

void CudaStorage::fill_on_gpu(const Storage& from) {
  if (is_on_gpu()) return;
  const CudaStorage* peer = nullptr;
  if (&from != this && from.device().type == DeviceType::gpu) {
    auto* other = static_cast<const CudaStorage*>(&from);
    if (other->is_on_gpu()) peer = other;
  }
  void* bytes = peer ? nullptr : from.data();
  std::lock_guard lock(mutex_);
  if (is_on_gpu()) return;
  if (!address_) address_ = gpu_.allocate(nbytes());
  if (peer) {
    gpu_.copy_from(peer->gpu_, address_, peer->address_, nbytes());
  } else {
    gpu_.upload(address_, bytes, nbytes());
  }
  on_gpu_.store(true, std::memory_order_release);
}

void CudaStorage::set_written(CudaEventPtr event) {
  written_ = std::move(event);
  on_gpu_.store(true, std::memory_order_release);
}

}  // namespace upsweep
