// CudaStorage: bytes in a GPU's memory, in the processors', or in both. They
// are written once, so that either copy is made when first needed and never
// stale.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "../core/storage.h"
#include "device.h"
#include "event.h"

namespace upsweep {

class CudaStorage final : public Storage {
 public:
  // Without memory yet: the first to write decides where that is.
  CudaStorage(size_t nbytes, CudaDevice& device);
  // Memory on the device that another library owns, readable from an event on.
  CudaStorage(cuda::Address address, size_t nbytes, CudaDevice& device,
              std::function<void()> release);
  ~CudaStorage() override;

  // The bytes where processors see them: the place to write them, or, once they
  // are computed, a copy.
  void* data() const override;

  // Gets memory on the device, for work on it to write; throws OutOfMemory.
  void prepare_on_gpu();
  // The same bytes as another storage's, which are computed: copied to the
  // device unless they are there. A storage may fill itself.
  void fill_on_gpu(const Storage& from);
  // Work that writes the bytes is on its way; readers on the device
  // wait for the event, which is null where they are there.
  void set_written(CudaEventPtr event);

  // The address, for what is given to a consumer's stream from now on; what it
  // holds is waited for before the memory goes. is_on_gpu().
  const void* export_pointer(cuda::Stream consumer);

  // Whether set_written has been called: whether work on the device can be
  // launched that reads the bytes.
  bool is_on_gpu() const { return on_gpu_.load(std::memory_order_acquire); }
  cuda::Address address() const { return address_; }
  const CudaEventPtr& written() const { return written_; }

 private:
  void wait_for_consumer(cuda::Stream stream) noexcept;

  CudaDevice& gpu_;
  std::function<void()> release_;
  mutable std::mutex mutex_;
  mutable void* host_ = nullptr;
  cuda::Address address_ = 0;
  bool writes_on_gpu_ = false;
  std::atomic<bool> on_gpu_{false};
  CudaEventPtr written_;
  std::vector<cuda::Stream> consumers_;
};

}  // namespace upsweep
