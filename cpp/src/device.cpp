// Default devices and streams: one set for the process, and a stack of
// contexts for each thread.
#include "upsweep/device.h"

#include <pthread.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "core/backend.h"
#include "core/release.h"
#include "result.h"

namespace upsweep {

namespace {

const char* type_name(DeviceType type) {
  return type == DeviceType::cpu ? "cpu" : "gpu";
}

[[noreturn]] void no_backend(const char* op, const char* what, DeviceType type,
                             const char* thing) {
  std::string name = type_name(type), why = why_no_backend(type);
  throw std::invalid_argument(std::string("[") + op + "] Cannot " + what + " " +
                              name + thing + " without " + name + " backend" +
                              (why.empty() ? "" : ": ") + why + ".");
}

Backend& checked_backend(const char* op, const char* what, Device device) {
  Backend* found = find_backend(device.type);
  std::string name = type_name(device.type);
  if (!found) no_backend(op, what, device.type, " device");
  if (device.index < 0 || device.index >= found->device_count()) {
    throw std::invalid_argument(
        std::string("[") + op + "] There is no " + name + " device " +
        std::to_string(device.index) + "; this machine has " +
        std::to_string(found->device_count()) + ".");
  }
  return *found;
}

// The values that set_default_device and set_default_stream set.
struct Defaults {
  std::mutex mutex;
  // Whether they ever set any: the lock would show in small calls.
  std::atomic<bool> are_set{false};
  Device device = DeviceType::cpu;
  std::vector<Stream> streams;  // at most one for each device

  Stream stream(Device of) {
    for (const Stream& s : streams) {
      if (s.device == of) return s;
    }
    return {0, of};
  }
};
Defaults& defaults() {
  static Defaults& instance = []() -> Defaults& {
    // A forked child must not inherit a lock held by a thread that it lacks.
    pthread_atfork([] { defaults().mutex.lock(); },
                   [] { defaults().mutex.unlock(); },
                   [] { defaults().mutex.unlock(); });
    return *new Defaults;
  }();
  return instance;
}

// The streams of a thread's StreamContexts, innermost last. A context may end
// on a different thread from the one it began on; its entry here then expires.
thread_local std::vector<std::weak_ptr<Stream>> contexts;

// The innermost stream that `wanted` accepts.
template <class Wanted>
std::optional<Stream> find_context(const Wanted& wanted) {
  while (!contexts.empty() && contexts.back().expired()) contexts.pop_back();
  for (size_t i = contexts.size(); i-- > 0;) {
    std::shared_ptr<Stream> stream = contexts[i].lock();
    if (stream && wanted(*stream)) return *stream;
  }
  return std::nullopt;
}

// The stream for operations that name neither a device nor a stream.
Stream current_stream() {
  if (auto stream = find_context([](Stream) { return true; })) return *stream;
  if (!defaults().are_set) return {0, DeviceType::cpu};
  std::lock_guard lock(defaults().mutex);
  return defaults().stream(defaults().device);
}

Stream default_stream(const char* op, Device device) {
  checked_backend(op, "use", device);
  if (auto stream =
          find_context([&](Stream s) { return s.device == device; })) {
    return *stream;
  }
  if (!defaults().are_set) return {0, device};
  std::lock_guard lock(defaults().mutex);
  return defaults().stream(device);
}

}  // namespace

Device default_device() { return current_stream().device; }

void set_default_device(Device device) {
  checked_backend("set_default_device", "set", device);
  std::lock_guard lock(defaults().mutex);
  defaults().device = device;
  defaults().are_set = true;
}

Stream default_stream(Device device) {
  return default_stream("default_stream", device);
}

void set_default_stream(Stream stream) {
  stream = to_stream(stream);
  std::lock_guard lock(defaults().mutex);
  std::erase_if(defaults().streams, [&](const Stream& other) {
    return other.device == stream.device;
  });
  defaults().streams.push_back(stream);
  defaults().are_set = true;
}

Stream new_stream(Device device) {
  if (!find_backend(device.type)) {
    no_backend("new_stream", "make", device.type, " stream");
  }
  return checked_backend("new_stream", "use", device).new_stream(device);
}

Stream stream_for(const char* op, StreamOrDevice s) {
  if (std::holds_alternative<std::monostate>(s)) return current_stream();
  if (auto* device = std::get_if<Device>(&s)) {
    return default_stream(op, *device);
  }
  Stream stream = std::get<Stream>(s);
  if (!checked_backend(op, "use", stream.device).has_stream(stream)) {
    throw std::invalid_argument(std::string("[") + op +
                                "] There is no stream " +
                                std::to_string(stream.index) +
                                " on this device; new_stream makes one.");
  }
  return stream;
}

Stream to_stream(StreamOrDevice s) { return stream_for("stream", s); }

void synchronize(Stream stream) {
  stream = to_stream(stream);
  backend(stream).synchronize(stream);
  run_due_releases();
}

void synchronize() { synchronize(current_stream()); }

bool is_available(Device device) {
  return device.index >= 0 && device.index < device_count(device.type);
}

int device_count(DeviceType type) {
  Backend* found = find_backend(type);
  return found ? found->device_count() : 0;
}

DeviceInfo device_info(Device device) {
  return checked_backend("device_info", "describe", device).info(device.index);
}

bool has_own_memory(DeviceType type) {
  Backend* found = find_backend(type);
  return found && found->device_memory();
}

void* native_stream(Stream stream) {
  stream = to_stream(stream);
  return device_memory(stream.device.type).native_stream(stream);
}

Stream wrap_native_stream(Device device, void* native) {
  device = to_stream(device).device;
  return device_memory(device.type).wrap(device, native);
}

CurrentDevice::CurrentDevice(Device device)
    : current_(
          device_memory(device.type).make_current(to_stream(device).device)) {}

CurrentDevice::~CurrentDevice() = default;

StreamContext::StreamContext(StreamOrDevice s)
    : stream_(std::make_shared<Stream>(to_stream(s))) {
  contexts.push_back(stream_);
}

StreamContext::~StreamContext() = default;

}  // namespace upsweep
