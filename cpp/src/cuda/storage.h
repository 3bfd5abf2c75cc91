// CudaStorage: bytes in a GPU's memory, in main memory, or in both. They are
// written once, so copies are made lazily and never go stale.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "../core/storage.h"
#include "device.h"
#include "event.h"

namespace upsweep {

class CudaStorage final : public Storage {
 public:
  // Without memory yet: the first writer decides where it is.
  CudaStorage(size_t nbytes, CudaDevice& device);
  // Memory on the device that another library lends for work to write. It knows
  // itself which of its streams use the memory.
  CudaStorage(cuda::Address address, size_t nbytes, CudaDevice& device);
  // Memory on the device that another library owns, readable from an event on.
  CudaStorage(cuda::Address address, size_t nbytes, CudaDevice& device,
              std::function<void()> release);
  // The same in the order of that library's stream: what is given to the stream
  // finds the bytes, and the library reuses the memory in that order.
  CudaStorage(cuda::Address address, size_t nbytes, CudaDevice& device,
              cuda::Stream order);
  ~CudaStorage() override;

  // The bytes in main memory: room to write them or, once they are computed, a
  // copy.
  void* data() const override;

  // Allocates device memory for work to write unless there is some; throws
  // OutOfMemory.
  void prepare_on_gpu();
  // The same for what only work that a CUDA graph captures uses: memory of the
  // graph, in the order of the captured stream.
  void prepare_in_graph(cuda::Stream captured);
  // Copies the bytes of another storage, which must be computed, to the device
  // unless they are there. A storage may fill itself.
  void fill_on_gpu(const Storage& from);
  // To be called once work that writes the bytes is launched. Readers on the
  // device wait for the event, which is null if there is nothing to wait for.
  void set_written(CudaEventPtr event);
  // Instead, for lent memory and that of a graph: work in the order of a stream
  // writes it.
  void set_order(cuda::Stream order);
  // What work on a stream waits for before it reads the bytes, or nullptr.
  CudaEventPtr pending(cuda::Stream reader);
  // Waits until the bytes are computed.
  void wait() const;

  // The address, for work given to a consumer's stream from now on; the memory
  // is not freed before that stream's work is done. Requires is_on_gpu().
  const void* export_pointer(cuda::Stream consumer);

  // Whether work on the device that reads the bytes can be launched: they are
  // there, or set_written has been called.
  bool is_on_gpu() const { return on_gpu_.load(std::memory_order_acquire); }
  cuda::Address address() const { return address_; }
  // Whether the memory is used in the order of a stream, as set_order says.
  bool may_have_order() const { return borrowed_ || graph_; }
  const std::optional<cuda::Stream>& order() const { return order_; }
  const CudaEventPtr& written() const { return written_; }

 private:
  CudaEventPtr mark(cuda::Stream stream) const;
  void wait_for_consumer(cuda::Stream stream) noexcept;

  CudaDevice& gpu_;
  const bool borrowed_ = false;
  cuda::Stream graph_ = nullptr;  // the captured stream, if there is one
  std::function<void()> release_;
  mutable std::mutex mutex_;
  mutable void* host_ = nullptr;
  cuda::Address address_ = 0;
  bool writes_on_gpu_ = false;
  std::atomic<bool> on_gpu_{false};
  CudaEventPtr written_;
  std::optional<cuda::Stream> order_;
  std::vector<cuda::Stream> consumers_;
};

}  // namespace upsweep
