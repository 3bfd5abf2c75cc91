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

  // The bytes in main memory. Storage on a device with memory of its own copies
  // them there on the first call.
  virtual void* data() const { return data_; }
  size_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  Event& ready() { return ready_; }
  // The same bytes for another device, once its backend has made such a
  // storage. The destructor of a storage releases it first.
  std::shared_ptr<Storage>& device_view() { return device_view_; }

 protected:
  // For work that will write the bytes and signal the event.
  Storage(void* data, size_t nbytes, Device device)
      : data_(data), nbytes_(nbytes), device_(device) {}
  // Already written.
  Storage(void* data, size_t nbytes, Device device, Event::Done done)
      : data_(data), nbytes_(nbytes), device_(device), ready_(done) {}

 private:
  void* data_;
  size_t nbytes_;
  Device device_;
  Event ready_;
  std::shared_ptr<Storage> device_view_;
};

// Memory that another library lends for a result.
class BorrowedStorage final : public Storage {
 public:
  BorrowedStorage(void* data, size_t nbytes)
      : Storage(data, nbytes, DeviceType::cpu) {}
  ~BorrowedStorage() override { device_view().reset(); }
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
