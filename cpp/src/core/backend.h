// Backend: the interface of a kind of device. All code above it is the same for
// every device.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "op.h"
#include "plan.h"
#include "recurrence_plan.h"
#include "storage.h"
#include "upsweep/array.h"
#include "upsweep/device.h"

namespace upsweep {

using StoragePtr = std::shared_ptr<Storage>;

// Work for a stream: it waits for its inputs, runs, and signals or fails the
// event of its output. Everything it reads or writes stays alive until then.
struct Work {
  std::function<void()> run;
  std::vector<StoragePtr> inputs;
  StoragePtr output;
  int64_t elements;  // an estimate of its cost
};

// What lines start with: the identity, elements, or carries (CarryRecord).
struct Initial {
  enum class Kind { identity, element, carry };
  Kind kind = Kind::identity;
  bool per_line = false;  // one for each line, or one for all
  int64_t offset = 0;     // in elements or carries
  StoragePtr storage = nullptr;
};

struct ScanWork {
  Op op;
  Dtype dtype;  // of input and output
  Plan plan;
  bool inclusive;
  int64_t in_offset;
  StoragePtr in;
  StoragePtr out;
  Initial initial = {};
  // Null, or a byte for each element, at the index of the element's result: 1
  // if a segment starts at the element, else 0.
  StoragePtr reset = nullptr;
  // Writes the initial value before the first result; the plan has room for it.
  bool include_initial = false;

  // Without the options of a general scan.
  bool is_plain() const {
    return !initial.storage && !reset && !include_initial;
  }
  std::vector<StoragePtr> inputs() const {
    std::vector<StoragePtr> all{in};
    if (initial.storage) all.push_back(initial.storage);
    if (reset) all.push_back(reset);
    return all;
  }
};

// A scan of products as mantissas and exponents.
struct FrexpWork {
  Dtype dtype;  // a real one, of input and mantissas
  Plan plan;
  bool inclusive;
  int64_t in_offset;
  StoragePtr in;
  Initial initial;  // a carry counts with the product of all its elements

  std::vector<StoragePtr> inputs() const {
    std::vector<StoragePtr> all{in};
    if (initial.storage) all.push_back(initial.storage);
    return all;
  }
};
struct FrexpResult {
  StoragePtr mantissas;
  StoragePtr exponents;  // int32; may be the same storage
  int64_t exponent_offset;
};

// One CarryRecord for each line.
struct CarryWork {
  Op op;
  Dtype dtype;
  Plan plan;
  int64_t in_offset;
  StoragePtr in;
  StoragePtr out;
  Initial initial;

  std::vector<StoragePtr> inputs() const {
    std::vector<StoragePtr> all{in};
    if (initial.storage) all.push_back(initial.storage);
    return all;
  }
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
  // The bits of what replaces NaN, also a complex number with one NaN part;
  // only without a conversion.
  std::optional<uint64_t> nan_as = std::nullopt;

  int64_t elements() const {
    int64_t count = 1;
    for (const Plan::Axis& axis : axes) count *= axis.extent;
    return count;
  }
};

// out[…] = a[…] · (out before it) + b[…] along the lines of the plan.
struct RecurrenceWork {
  struct Input {
    StoragePtr storage;
    int64_t offset;  // in elements
  };

  Dtype dtype;  // of a, b, initial and out
  RecurrencePlan plan;
  bool inclusive;
  Input a;
  Input b;
  Input initial;  // without storage, lines start with 0
  Input reset;    // a byte for each element; may have no storage
  StoragePtr out;

  std::vector<StoragePtr> inputs() const {
    std::vector<StoragePtr> all{a.storage, b.storage};
    if (initial.storage) all.push_back(initial.storage);
    if (reset.storage) all.push_back(reset.storage);
    return all;
  }
};

// The derivative of a product: backwards, or in the direction of a tangent.
enum class Derivative { vjp, jvp };

// Of a, the elements, and b, the cotangent or the tangent; without initial. The
// plan walks against the product (vjp), or with it (jvp).
struct GradientWork : RecurrenceWork {
  Derivative kind;
};

// The gradients of a recurrence without initial and reset: out gets those of a,
// then, after as many elements, those of b. Both, and the cotangents, lie as
// the results do.
struct AdjointWork : RecurrenceWork {
  Input cotangent;

  std::vector<StoragePtr> inputs() const {
    return {a.storage, b.storage, cotangent.storage};
  }
};

// Device memory that the CPU cannot address, and its exchange with other
// libraries.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  // The driver's handle of the stream.
  virtual void* native_stream(Stream stream) = 0;
  // While what it returns lives, the device is the current one of the calling
  // thread for other libraries.
  virtual std::shared_ptr<void> make_current(Device device) = 0;
  // The address of a storage in its device's memory. Work given to the
  // consumer's stream from now on may read it; without a stream, the call waits
  // for the storage.
  virtual const void* export_pointer(const StoragePtr& storage,
                                     void* consumer) = 0;
  // Wraps memory of the stream's device. Work given to the stream from now on
  // may read it.
  virtual StoragePtr adopt(Stream stream, const void* data, size_t nbytes,
                           std::function<void()> release) = 0;
  // The stream whose work runs on another library's stream, given by the
  // driver's handle.
  virtual Stream wrap(Device device, void* native) = 0;
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
  // The same, but keeps errors for synchronize to throw.
  virtual void wait_until_idle(Stream stream) = 0;

  // Uninitialised memory, for work on a stream of the device to write.
  virtual StoragePtr allocate(Device device, size_t nbytes) = 0;
  // Throws std::runtime_error if the stream's work cannot own its results now.
  virtual void check_owns_results(Stream) {}
  // As allocate, over memory that another library lends. Throws
  // std::invalid_argument unless the backend can write there.
  virtual StoragePtr borrow(Device device, ResultMemory memory);

  // nullptr for devices that use main memory.
  virtual DeviceMemory* device_memory() { return nullptr; }

  // Each returns once the work is queued, or done if that costs less. They wait
  // while the stream is far behind.
  virtual void scan(Stream stream, ScanWork work) = 0;
  virtual void carry(Stream stream, CarryWork work) = 0;
  virtual FrexpResult frexp(Stream stream, FrexpWork work) = 0;
  virtual void copy(Stream stream, CopyWork work) = 0;
  virtual void recurrence(Stream stream, RecurrenceWork work) = 0;
  virtual void gradient(Stream stream, GradientWork work) = 0;
  // Work on the host's view of the storages, in the order of the stream.
  virtual void run_on_host(Stream stream, Work work) = 0;
};

// The backend of a type of device, or nullptr if there is none.
Backend* find_backend(DeviceType type);
// Why there is none, or empty if there is nothing more to say.
std::string why_no_backend(DeviceType type);
// The backend of a stream that to_stream has checked.
Backend& backend(Stream stream);
// Run work on the CPU: on the calling thread and on those of the pool. The
// inputs are ready.
void run_scan(const ScanWork& work);
void run_carry(const CarryWork& work);
void run_frexp(const FrexpWork& work, const FrexpResult& result);
void run_recurrence(const RecurrenceWork& work);
void run_gradient(const GradientWork& work);
void run_adjoint(const AdjointWork& work);
// Throws std::invalid_argument if devices of the type have no memory of their
// own.
DeviceMemory& device_memory(DeviceType type);

}  // namespace upsweep
