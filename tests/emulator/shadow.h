// Shadows of memory: which threads used it since the last barrier for it, and
// which threadgroups of a launch.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace upsweep::emulator {

// The last writer and reader of a byte, as an epoch and a thread in one word.
// If two threads use a byte within an epoch and one of them writes, that is a
// race.
struct Use {
  static constexpr uint32_t kThreads = 2048, kSeveral = 2047;
  static constexpr uint32_t kEpochs = 1 << 21;

  uint32_t written = 0, read = 0;

  // Each returns whether it is a race.
  bool add_read(uint32_t now) {
    if (is_foreign(written, now)) return true;
    read = is_foreign(read, now) ? now / kThreads * kThreads + kSeveral : now;
    return false;
  }
  bool add_write(uint32_t now) {
    if (is_foreign(written, now) || is_foreign(read, now)) return true;
    written = now;
    return false;
  }

 private:
  static bool is_foreign(uint32_t stamp, uint32_t now) {
    return stamp / kThreads == now / kThreads && stamp != now;
  }
};

// Every byte of threadgroup memory.
class Shadow {
 public:
  explicit Shadow(size_t size) : bytes_(size) {}

  uint32_t epoch() const { return epoch_; }

  // For a new threadgroup: no byte has a value.
  void start_group() {
    next_epoch();
    group_ = epoch_;
  }
  void next_epoch() {
    if (++epoch_ == Use::kEpochs) start_again();
  }

  // What is wrong with an access, or nullptr.
  const char* read(size_t at, size_t size, uint32_t thread) {
    for (Use* byte = &bytes_[at]; size-- > 0; ++byte) {
      if (byte->written / Use::kThreads < group_) {
        return "a read of threadgroup memory that was never written";
      }
      if (byte->add_read(stamp(thread))) {
        return "a race: a read of threadgroup memory that another thread has "
               "written since the last barrier";
      }
    }
    return nullptr;
  }

  const char* write(size_t at, size_t size, uint32_t thread) {
    for (Use* byte = &bytes_[at]; size-- > 0; ++byte) {
      if (byte->add_write(stamp(thread))) {
        return "a race: a write of threadgroup memory that another thread has "
               "used since the last barrier";
      }
    }
    return nullptr;
  }

 private:
  // Restarts the count of epochs: earlier writes of the group count as before
  // the first.
  void start_again() {
    for (Use& byte : bytes_) {
      byte = {byte.written / Use::kThreads < group_ ? 0 : Use::kThreads, 0};
    }
    group_ = 1;
    epoch_ = 2;
  }

  uint32_t stamp(uint32_t thread) const {
    return epoch_ * Use::kThreads + thread;
  }

  std::vector<Use> bytes_;
  uint32_t epoch_ = 0, group_ = 0;
};

// The device memory that a threadgroup has used recently. Memory is large, so a
// new word may replace another.
class DeviceShadow {
 public:
  void next_epoch() {
    if (++epoch_ < Use::kEpochs) return;
    words_.assign(kWords, {});
    epoch_ = 1;
  }

  // Each returns whether it is a race.
  bool read(const char* at, size_t size, uint32_t thread) {
    return any_of(at, size, thread, &Use::add_read);
  }
  bool write(const char* at, size_t size, uint32_t thread) {
    return any_of(at, size, thread, &Use::add_write);
  }

 private:
  static constexpr size_t kWords = 8192;
  struct Word {
    uintptr_t word = 0;
    Use bytes[4];
  };

  bool any_of(const char* at, size_t size, uint32_t thread,
              bool (Use::*races)(uint32_t)) {
    uint32_t now = epoch_ * Use::kThreads + thread;
    auto first = reinterpret_cast<uintptr_t>(at);
    for (uintptr_t byte = first; byte < first + size; ++byte) {
      Word& word = words_[byte / 4 % kWords];
      if (word.word != byte / 4) word = {byte / 4, {}};
      if ((word.bytes[byte % 4].*races)(now)) return true;
    }
    return false;
  }

  std::vector<Word> words_ = std::vector<Word>(kWords);
  uint32_t epoch_ = 1;
};

// The device memory that the threadgroups of a launch have used. Nothing orders
// them, so if two use a byte and one of them writes, that is a race. The
// threads of the host share it, and it forgets as DeviceShadow does.
class LaunchShadow {
 public:
  LaunchShadow() {
    // Fresh pages are zero, and exist only once they are touched.
    void* pages = mmap(nullptr, kWords * sizeof(Word), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    words_ = static_cast<Word*>(pages);
  }
  ~LaunchShadow() { munmap(words_, kWords * sizeof(Word)); }
  LaunchShadow(const LaunchShadow&) = delete;
  LaunchShadow& operator=(const LaunchShadow&) = delete;

  // A threadgroup has failed, and others may wait for it in vain.
  std::atomic<bool> failed{false};

  // Each returns whether it is a race.
  bool read(const char* at, size_t size, uint32_t group) {
    return any_of(at, size, [&](uintptr_t word, uint64_t bytes) {
      return races(word, {0, 0, bytes, group});
    });
  }
  bool write(const char* at, size_t size, uint32_t group) {
    return any_of(at, size, [&](uintptr_t word, uint64_t bytes) {
      return races(word, {0, bytes, 0, group});
    });
  }

 private:
  static constexpr size_t kWords = 1 << 20;
  static constexpr uint32_t kSeveral = (uint32_t{1} << 31) - 1;
  // Which word currently has the entry, and who used which bytes of it.
  struct alignas(8) Word {
    uint64_t which : 25, written : 4, read : 4, group : 31;
  };

  template <class F>
  static bool any_of(const char* at, size_t size, F found) {
    auto first = reinterpret_cast<uintptr_t>(at), last = first + size;
    for (uintptr_t word = first / 4; word * 4 < last; ++word) {
      unsigned bytes = 0xf;
      if (word * 4 < first) bytes &= 0xf << (first - word * 4);
      if (word * 4 + 4 > last) bytes &= 0xf >> (word * 4 + 4 - last);
      if (found(word, bytes)) return true;
    }
    return false;
  }

  bool races(uintptr_t word, Word use) {
    use.which = word / kWords;
    std::atomic_ref<Word> place(words_[word % kWords]);
    Word before = place.load(std::memory_order_relaxed), after;
    do {
      after = use;
      if (before.which != use.which) continue;
      if (before.group == use.group) {
        after.written |= before.written;
        after.read |= before.read;
      } else if ((before.written & (use.written | use.read)) != 0 ||
                 (before.read & use.written) != 0) {
        return true;
      } else if ((before.read & use.read) != 0) {
        after.read |= before.read;
        after.group = kSeveral;
      }
    } while (!place.compare_exchange_weak(before, after));
    return false;
  }

  Word* words_;
};

}  // namespace upsweep::emulator
