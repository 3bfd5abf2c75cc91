// Devices and streams: where work runs, and in what order.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace upsweep {

enum class DeviceType { cpu, gpu };

struct Device {
  DeviceType type;
  int index;

  constexpr Device(DeviceType type, int index = 0) : type(type), index(index) {}
  bool operator==(const Device&) const = default;
};

/// A queue of work on one device. Work on one stream runs in the order it was
/// given; across streams, work waits for its inputs.
struct Stream {
  int index;
  Device device;

  bool operator==(const Stream&) const = default;
};

/// Where to run: nothing for the default stream of the default device, a
/// device for its default stream, or a stream.
using StreamOrDevice = std::variant<std::monostate, Stream, Device>;

/// The device for operations of the calling thread that name none: the
/// innermost StreamContext's, else the one that set_default_device set for the
/// process, else the cpu.
Device default_device();
/// Throws std::invalid_argument if the device does not exist.
void set_default_device(Device device);

/// The stream for operations of the calling thread that name only a device.
Stream default_stream(Device device);
void set_default_stream(Stream stream);

/// A new, empty stream; it lasts as long as the process.
Stream new_stream(Device device);

/// The stream that s names. Throws std::invalid_argument for a device or a
/// stream that does not exist.
Stream to_stream(StreamOrDevice s);

/// Waits until all work given to the stream so far is done. Throws the first
/// error of that work that no earlier synchronize has thrown.
void synchronize(Stream stream);
void synchronize();

/// Whether the device exists and can run work.
bool is_available(Device device);
int device_count(DeviceType type);

/// Properties of a device, as (name, value) pairs: device_name, architecture
/// and memory_size (bytes); for the cpu the instruction set that the kernels
/// use (isa) and the number of threads; for a gpu max_buffer_length and
/// max_recommended_working_set_size (bytes).
using DeviceInfo =
    std::vector<std::pair<std::string, std::variant<std::string, size_t>>>;
DeviceInfo device_info(Device device);

/// Whether the device has memory of its own, which the CPU cannot address: its
/// arrays are copied to main memory when the CPU first reads them.
bool has_own_memory(DeviceType type);

/// The driver's handle of the stream (a CUstream), so that other libraries can
/// order their work with it. Throws std::invalid_argument for a device without
/// memory of its own.
void* native_stream(Stream stream);

/// The stream whose work runs on another library's stream, given by the
/// driver's handle (a CUstream): in order with that library's work, without any
/// waiting. There is one for each handle, which lasts as long as the process.
/// Throws std::invalid_argument for a device without memory of its own.
Stream wrap_native_stream(Device device, void* native);

/// While it lives, the device is the current one of the thread that made it for
/// other libraries (CUDA's current context). Throws std::invalid_argument for a
/// device without memory of its own.
class CurrentDevice {
 public:
  explicit CurrentDevice(Device device);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  std::shared_ptr<void> current_;
};

/// While it lives, the given stream is the default of the thread that made it.
class StreamContext {
 public:
  explicit StreamContext(StreamOrDevice s);
  ~StreamContext();
  StreamContext(const StreamContext&) = delete;
  StreamContext& operator=(const StreamContext&) = delete;

 private:
  std::shared_ptr<Stream> stream_;
};

}  // namespace upsweep
