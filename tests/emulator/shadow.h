// Shadows of memory: who used it since the last barrier for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace upsweep::emulator {

// Who wrote and who read each byte of threadgroup memory. Two threads that meet
// at a byte, one of them to write, are a race.
class Shadow {
 public:
  explicit Shadow(size_t size) : bytes_(size) {}

  uint32_t epoch() const { return epoch_; }

  // A new threadgroup has the memory: nothing in it has a value.
  void start_group() {
    next_epoch();
    group_ = epoch_;
  }
  void next_epoch() {
    if (++epoch_ == kEpochs) start_again();
  }

  // What is wrong with an access, or nullptr.
  const char* read(size_t at, size_t size, uint32_t thread) {
    uint32_t now = stamp(thread);
    for (Byte* byte = &bytes_[at]; size-- > 0; ++byte) {
      if (byte->written / kThreads < group_) {
        return "a read of threadgroup memory that nobody has written";
      }
      if (byte->written / kThreads == epoch_ && byte->written != now) {
        return "a race: a read of threadgroup memory that another thread has "
               "written since the last barrier";
      }
      bool others = byte->read / kThreads == epoch_ && byte->read != now;
      byte->read = others ? stamp(kSeveral) : now;
    }
    return nullptr;
  }

  const char* write(size_t at, size_t size, uint32_t thread) {
    uint32_t now = stamp(thread);
    for (Byte* byte = &bytes_[at]; size-- > 0; ++byte) {
      if ((byte->written / kThreads == epoch_ && byte->written != now) ||
          (byte->read / kThreads == epoch_ && byte->read != now)) {
        return "a race: a write of threadgroup memory that another thread has "
               "used since the last barrier";
      }
      byte->written = now;
    }
    return nullptr;
  }

 private:
  // An epoch and a thread in one word.
  static constexpr uint32_t kThreads = 2048, kSeveral = 2047;
  static constexpr uint32_t kEpochs = 1 << 21;
  struct Byte {
    uint32_t written = 0, read = 0;
  };

  // Epochs are counted anew: what the group has written was before the first.
  void start_again() {
    for (Byte& byte : bytes_) {
      byte = {byte.written / kThreads < group_ ? 0 : kThreads, 0};
    }
    group_ = 1;
    epoch_ = 2;
  }

  uint32_t stamp(uint32_t thread) const { return epoch_ * kThreads + thread; }

  std::vector<Byte> bytes_;
  uint32_t epoch_ = 0, group_ = 0;
};

// Which words of device memory a threadgroup has written lately. Memory is
// large, so that a word may be forgotten when another takes its place.
class DeviceShadow {
 public:
  void next_epoch() { ++epoch_; }

  // Whether another thread has written one of the words.
  bool is_foreign(const char* at, size_t size, uint32_t thread) const {
    for (uintptr_t word = first(at); word <= last(at, size); ++word) {
      const Write& write = writes_[word % kWrites];
      if (write.word == word && write.epoch == epoch_ &&
          write.thread != thread) {
        return true;
      }
    }
    return false;
  }
  void write(const char* at, size_t size, uint32_t thread) {
    for (uintptr_t word = first(at); word <= last(at, size); ++word) {
      writes_[word % kWrites] = {word, epoch_, thread};
    }
  }

 private:
  static constexpr size_t kWrites = 8192;
  struct Write {
    uintptr_t word = 0;
    uint32_t epoch = 0, thread = 0;
  };

  static uintptr_t first(const char* at) {
    return reinterpret_cast<uintptr_t>(at) / 4;
  }
  static uintptr_t last(const char* at, size_t size) {
    return (reinterpret_cast<uintptr_t>(at) + size - 1) / 4;
  }

  std::vector<Write> writes_ = std::vector<Write>(kWrites);
  uint32_t epoch_ = 1;
};

}  // namespace upsweep::emulator
