// Pointers to device and threadgroup memory in host C++: class templates that
// check and count every access. translate.py writes a kernel's pointers with an
// address space as these.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace metal {

using upsweep::emulator::Extent;
using upsweep::emulator::Site;
using upsweep::emulator::Threadgroup;

#define UPSWEEP_HERE \
  const char *file = __builtin_FILE(), int line = __builtin_LINE()

// An index, and where in a kernel it is used.
struct Index {
  template <class I>
  Index(I i, UPSWEEP_HERE) : i(static_cast<int64_t>(i)), site{file, line} {}
  int64_t i;
  Site site;
};

// Pointers to device memory, and what they point at.

template <class T>
class device_reference {
 public:
  device_reference(T* at, const Extent* extent, Site site)
      : at_(at), extent_(extent), site_(site) {}
  operator std::remove_const_t<T>() const {
    Threadgroup::current().read_device(*extent_, at_, sizeof(T), alignof(T),
                                       site_);
    std::remove_const_t<T> value;
    std::memcpy(&value, at_, sizeof value);
    return value;
  }
  const device_reference& operator=(const T& value) const {
    Threadgroup::current().write_device(*extent_, at_, sizeof(T), alignof(T),
                                        site_);
    std::memcpy(at_, &value, sizeof value);
    return *this;
  }
  const device_reference& operator=(const device_reference& other) const {
    return *this = static_cast<std::remove_const_t<T>>(other);
  }
  device_reference(const device_reference&) = default;

 private:
  T* at_;
  const Extent* extent_;
  Site site_;
};

template <class T>
class device_pointer {
 public:
  device_pointer() = default;
  explicit device_pointer(const Extent& extent)
      : at_(reinterpret_cast<T*>(extent.begin)), extent_(&extent) {}
  template <class U>
  explicit(!std::is_same_v<const U, T>) device_pointer(device_pointer<U> other)
      : at_((T*)other.at_), extent_(other.extent_) {}

  device_pointer operator+(int64_t n) const { return {at_ + n, extent_}; }
  device_reference<T> operator[](Index i) const {
    return {at_ + i.i, extent_, i.site};
  }
  // For an atomic access.
  T* get_atomic(Site site) const {
    Threadgroup::current().share_device(*extent_, at_, sizeof(T), alignof(T),
                                        site);
    return at_;
  }

 private:
  template <class>
  friend class device_pointer;
  device_pointer(T* at, const Extent* extent) : at_(at), extent_(extent) {}
  T* at_;
  const Extent* extent_;
};

// Pointers to threadgroup memory.

template <class T>
class threadgroup_reference {
 public:
  threadgroup_reference(T* at, Site site) : at_(at), site_(site) {}
  operator std::remove_const_t<T>() const {
    Threadgroup::current().check(Threadgroup::Access::read, at_, sizeof(T),
                                 site_);
    std::remove_const_t<T> value;
    std::memcpy(&value, at_, sizeof value);
    return value;
  }
  const threadgroup_reference& operator=(const T& value) const {
    Threadgroup::current().check(Threadgroup::Access::write, at_, sizeof(T),
                                 site_);
    std::memcpy(at_, &value, sizeof value);
    return *this;
  }
  const threadgroup_reference& operator=(
      const threadgroup_reference& other) const {
    return *this = static_cast<std::remove_const_t<T>>(other);
  }
  threadgroup_reference(const threadgroup_reference&) = default;

 private:
  T* at_;
  Site site_;
};

template <class T>
class threadgroup_pointer {
 public:
  threadgroup_pointer() = default;
  explicit threadgroup_pointer(T* at) : at_(at) {}
  template <class U>
  explicit(!std::is_same_v<const U, T>)
      threadgroup_pointer(threadgroup_pointer<U> other)
      : at_((T*)other.get()) {}
  T* get() const { return at_; }

  threadgroup_pointer operator+(int64_t n) const {
    return threadgroup_pointer(at_ + n);
  }
  threadgroup_reference<T> operator[](Index i) const {
    return {at_ + i.i, i.site};
  }

 private:
  T* at_;
};

// A kernel's variable in threadgroup memory.
template <class T, size_t n>
class threadgroup_array {
 public:
  threadgroup_array()
      : at_(reinterpret_cast<T*>(
            Threadgroup::current().allocate(n * sizeof(T), 16))) {}
  template <class U>
    requires std::is_same_v<const U, const T>
  operator threadgroup_pointer<U>() const {
    return threadgroup_pointer<U>(at_);
  }
  template <class U>
    requires(!std::is_same_v<const U, const T>)
  explicit operator threadgroup_pointer<U>() const {
    return threadgroup_pointer<U>((U*)at_);
  }
  threadgroup_pointer<T> operator&() const {
    return threadgroup_pointer<T>(at_);
  }
  threadgroup_reference<T> operator[](Index i) const {
    return {at_ + i.i, i.site};
  }

 private:
  T* at_;
};

}  // namespace metal
