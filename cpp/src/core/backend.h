// Backend: what a kind of device must be able to do. Everything above it is
// the same for all of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "op.h"
#include "plan.h"
#include "storage.h"
#include "upsweep/device.h"

namespace upsweep {

using StoragePtr = std::shared_ptr<Storage>;

// Work for a stream: it waits for its inputs, runs, and settles the event of
// its output. Whatever it reads or writes stays alive until then.
struct Work {
  std::function<void()> run;
  std::vector<StoragePtr> inputs;
  StoragePtr output;
  int64_t elements;  // an estimate of its cost
};

struct ScanWork {
  Op op;
  Dtype dtype;  // of input and output
  Plan plan;
  bool inclusive;
  int64_t in_offset;
  StoragePtr in;
  StoragePtr out;
};

// out[…] = in[…] with the dtype converted; out_step of each axis is that of a
// contiguous result.
struct CopyWork {
  std::vector<Plan::Axis> axes;  // merged
  Dtype in_dtype;
  Dtype out_dtype;
  int64_t in_offset;
  StoragePtr in;
  StoragePtr out;

  int64_t elements() const {
    int64_t count = 1;
    for (const Plan::Axis& axis : axes) count *= axis.extent;
    return count;
  }
};

// Memory of a device that the processors do not see, shared with other
// libraries.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  // The stream as the device's driver knows it.
  virtual void* native_stream(Stream stream) = 0;
  // The address of a storage in its device's memory. Work that the consumer's
  // stream is given from now on may read it; without a stream, the storage is
  // waited for.
  virtual const void* export_pointer(const StoragePtr& storage,
                                     void* consumer) = 0;
  // Memory of the stream's device that its work may read from now on.
  virtual StoragePtr adopt(Stream stream, const void* data, size_t nbytes,
                           std::function<void()> release) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual int device_count() const = 0;
  virtual DeviceInfo info(int index) const = 0;

  // Each device has stream 0 from the start.
  virtual Stream new_stream(Device device) = 0;
  virtual bool has_stream(Stream stream) const = 0;
  virtual void synchronize(Stream stream) = 0;
  // Waits likewise, and keeps errors for synchronize to throw.
  virtual void wait_until_idle(Stream stream) = 0;

  // Uninitialised memory, to be written by work of a stream of the device.
  virtual StoragePtr allocate(Device device, size_t nbytes) = 0;

  // For devices with memory of their own; else nullptr.
  virtual DeviceMemory* device_memory() { return nullptr; }

  // Each returns when the work is queued, or done if that costs less. A stream
  // that is far behind makes them wait.
  virtual void scan(Stream stream, ScanWork work) = 0;
  virtual void copy(Stream stream, CopyWork work) = 0;
  // Work on the host's view of the storages, in the order of the stream.
  virtual void run_on_host(Stream stream, Work work) = 0;
};

// The backend of a type of device, or nullptr where there is none.
Backend* find_backend(DeviceType type);
// Why there is none, where there is more to say than that; else empty.
std::string why_no_backend(DeviceType type);
// The backend of a stream that to_stream has checked.
Backend& backend(Stream stream);
// Throws std::invalid_argument where the devices of the type have no memory of
// their own.
DeviceMemory& device_memory(DeviceType type);

}  // namespace upsweep
