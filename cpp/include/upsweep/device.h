// Devices and streams: where work runs, and in which order.
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

/// A queue of work on one device. Work on one stream runs in the order in
/// which it was given; across streams, work waits for its inputs.
struct Stream {
  int index;
  Device device;

  bool operator==(const Stream&) const = default;
};

/// Where to run: nothing for the default stream of the default device, a
/// device for its default stream, or a stream.
using StreamOrDevice = std::variant<std::monostate, Stream, Device>;

/// The device of the calling thread's operations that name none. It is the
/// innermost StreamContext's, else what set_default_device set for the process,
/// else the cpu.
Device default_device();
/// Throws std::invalid_argument where the device does not exist.
void set_default_device(Device device);

/// The stream of the calling thread's operations that name only a device.
Stream default_stream(Device device);
void set_default_stream(Stream stream);

/// A new, empty stream; it lasts as long as the process.
Stream new_stream(Device device);

/// The stream that s names. Throws std::invalid_argument for a device or a
/// stream that does not exist.
Stream to_stream(StreamOrDevice s);

/// Waits until all work given to the stream so far is done. Throws the first
/// error of that work which has not been thrown by an earlier synchronize.
void synchronize(Stream stream);
void synchronize();

/// Whether the device exists and can run work.
bool is_available(Device device);
int device_count(DeviceType type);

/// What is known of a device, as (name, value) pairs: device_name,
/// architecture and memory_size (bytes); for the cpu the instruction set that
/// the kernels use (isa) and the number of threads; for a gpu max_buffer_length
/// and max_recommended_working_set_size (bytes).
using DeviceInfo =
    std::vector<std::pair<std::string, std::variant<std::string, size_t>>>;
DeviceInfo device_info(Device device);

/// Whether the device has memory of its own, which the processors do not see:
/// arrays in it are copied for them when they are first read there.
bool has_own_memory(DeviceType type);

/// The stream as the device's driver knows it (a CUstream), for work of other
/// libraries to be ordered with it. Throws std::invalid_argument for a device
/// without memory of its own.
void* native_stream(Stream stream);

/// While it lives, the default stream of the thread that made it is the given
/// one.
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
