// Storage: the bytes that arrays share, and the event of the work that writes
// them. They are written once, before the event, and never again.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "event.h"
#include "release.h"
#include "upsweep/device.h"

namespace upsweep {

class Storage {
 public:
  virtual ~Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // Where processors see the bytes. Storage of a device that does not share its
  // memory makes a copy for them when it is first asked for.
  virtual void* data() const { return data_; }
  size_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  Event& ready() { return ready_; }
  // The same bytes for a device of another kind, once its backend has made such
  // a storage. The destructor of a storage lets go of it first.
  std::shared_ptr<Storage>& device_view() { return device_view_; }

 protected:
  // To be written by work that will signal the event.
  Storage(void* data, size_t nbytes, Device device)
      : data_(data), nbytes_(nbytes), device_(device) {}
  // Written already.
  Storage(void* data, size_t nbytes, Device device, Event::Done done)
      : data_(data), nbytes_(nbytes), device_(device), ready_(done) {}

 private:
  void* data_;
  size_t nbytes_;
  Device device_;
  Event ready_;
  std::shared_ptr<Storage> device_view_;
};

// Memory that another library owns.
class AdoptedStorage final : public Storage {
 public:
  AdoptedStorage(const void* data, size_t nbytes, std::function<void()> release)
      : Storage(const_cast<void*>(data), nbytes, DeviceType::cpu, Event::done),
        release_(std::move(release)) {}
  ~AdoptedStorage() override {
    device_view().reset();
    release(std::move(release_));
  }

 private:
  std::function<void()> release_;
};

}  // namespace upsweep
