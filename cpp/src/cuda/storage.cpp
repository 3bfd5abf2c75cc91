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

CudaStorage::CudaStorage(cuda::Address address, size_t nbytes,
                         CudaDevice& device, cuda::Stream order)
    : CudaStorage(address, nbytes, device) {
  writes_on_gpu_ = true;
  set_order(order);
}

CudaStorage::~CudaStorage() {
  device_view().reset();
  for (cuda::Stream stream : consumers_) wait_for_consumer(stream);
  if (release_) {
    release(std::move(release_));
  } else if (graph_) {
    gpu_.free_in_graph(address_, graph_);
  } else if (address_ && !borrowed_) {
    gpu_.free(address_, nbytes());
  }
  if (host_) global_allocator().free(host_, nbytes());
}

const void* CudaStorage::export_pointer(cuda::Stream consumer) {
  std::lock_guard lock(mutex_);
  if (consumer) {
    cuda::Current current(gpu_.context());
    if (CudaEventPtr event = pending(consumer)) {
      check(driver().wait_for(consumer, event->handle(), 0), "exporting");
    }
    if (!borrowed_ && std::find(consumers_.begin(), consumers_.end(),
                                consumer) == consumers_.end()) {
      consumers_.push_back(consumer);
    }
  }
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(address_));
}

CudaEventPtr CudaStorage::mark(cuda::Stream stream) const {
  cuda::Current current(gpu_.context());
  auto event = std::make_shared<CudaEvent>(gpu_.context());
  event->record(stream);
  return event;
}

CudaEventPtr CudaStorage::pending(cuda::Stream reader) {
  if (order_) return *order_ == reader ? nullptr : mark(*order_);
  return ready().is_ready() ? nullptr : written_;
}

void CudaStorage::wait() const {
  const_cast<CudaStorage*>(this)->ready().wait();
  if (order_) mark(*order_)->wait();
}

// A destroyed stream has nothing left to wait for.
void CudaStorage::wait_for_consumer(cuda::Stream stream) noexcept {
  try {
    mark(stream)->wait();
  } catch (const std::exception&) {
  }
}

void* CudaStorage::data() const {
  std::lock_guard lock(mutex_);
  if (host_) return host_;
  void* host = global_allocator().allocate(nbytes());
  if (writes_on_gpu_) {
    try {
      if (order_) mark(*order_)->wait();
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

void CudaStorage::prepare_in_graph(cuda::Stream captured) {
  cuda::Current current(gpu_.context());
  check(driver().allocate_in_order(&address_, nbytes(), captured),
        "allocating memory of a graph");
  graph_ = captured;
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
    peer->wait();
    gpu_.copy_from(peer->gpu_, address_, peer->address_, nbytes());
  } else {
    gpu_.upload(address_, bytes, nbytes());
  }
  on_gpu_.store(true, std::memory_order_release);
}

void CudaStorage::set_order(cuda::Stream order) {
  order_ = order;
  on_gpu_.store(true, std::memory_order_release);
  ready().signal();
}

void CudaStorage::set_written(CudaEventPtr event) {
  written_ = std::move(event);
  on_gpu_.store(true, std::memory_order_release);
}

}  // namespace upsweep
