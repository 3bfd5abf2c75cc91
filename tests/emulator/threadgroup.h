// Threadgroup: the threads of a group, one fiber each, and where they meet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "fiber.h"
#include "shadow.h"

// As on Apple GPUs, unless a build says otherwise.
#ifndef UPSWEEP_THREADGROUP_BYTES
#define UPSWEEP_THREADGROUP_BYTES (32 << 10)
#endif

namespace upsweep::emulator {

// A place in the source of a kernel.
struct Site {
  const char* file;
  int line;
};

// A bound buffer, which a kernel's pointers refer to.
struct Extent {
  char* begin;
  char* end;
  unsigned index;
};

enum class SimdOp { shuffle_up };

// A kernel without its arguments. Translated kernels register themselves.
struct Entry {
  const char* name;
  void (*run)();
  size_t params_size;  // of its constant argument
};
struct Registration {
  explicit Registration(Entry entry);
};

// A small generator of random numbers, for orders.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t below(uint32_t n) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>((state_ >> 32) * n >> 32);
  }
  template <class T>
  void shuffle(T* items, uint32_t n) {
    for (; n > 1; --n) std::swap(items[n - 1], items[below(n)]);
  }

 private:
  uint64_t state_;
};

// Runs one group after the other, always on the same thread of the host.
class Threadgroup {
 public:
  static constexpr size_t kMemory = UPSWEEP_THREADGROUP_BYTES;
  static constexpr uint32_t kSimd = 32;

  Threadgroup() : memory_(new char[kMemory]), shadow_(kMemory) {}

  // Returns what went wrong, or an empty string. The shadow is the launch's.
  std::string run(const Entry& entry, const std::vector<Extent>& bindings,
                  uint32_t threads, uint32_t group, uint64_t seed,
                  LaunchShadow& shadow);

  Counts counts;

  // For the thread that is running: metal/prelude_host.h builds MSL's functions
  // on these.
  [[noreturn]] void fail(const char* what, Site site);
  // Lets other threadgroups run, in a loop that waits for one of them.
  void look_again(Site site);
  // The memory that a barrier orders.
  struct Fence {
    bool device, threadgroup;
  };
  void barrier(Fence fence, Site site);
  uint64_t simd(SimdOp op, unsigned argument, uint64_t value, Site site);
  char* allocate(size_t size, size_t alignment);
  enum class Access { read, write, atomic };
  void check(Access access, const void* at, size_t size, Site site) {
    auto offset =
        static_cast<size_t>(static_cast<const char*>(at) - memory_.get());
    if (offset > lanes_[running_].allocated ||
        offset + size > lanes_[running_].allocated) {
      fail("an access outside threadgroup memory", site);
    }
    const char* wrong = nullptr;
    if (access == Access::read) wrong = shadow_.read(offset, size, running_);
    if (access == Access::write) wrong = shadow_.write(offset, size, running_);
    if (wrong) fail(wrong, site);
  }

  void read_device(const Extent& extent, const void* at, size_t size,
                   size_t alignment, Site site) {
    check_device(extent, at, size, alignment, site);
    if ((writable_ >> extent.index & 1) != 0) {
      auto* first = static_cast<const char*>(at);
      if (device_.read(first, size, running_)) {
        fail(
            "a race: a read of device memory that another thread has written "
            "since the last barrier for it",
            site);
      }
      if (!meets_others_ && launch_->read(first, size, group_)) {
        fail(
            "a race: a read of device memory that another threadgroup has "
            "written",
            site);
      }
    }
    // Reads of the same bytes by several threads at the same site count once,
    // because the hardware broadcasts them; a second read by one thread counts
    // again.
    uint64_t key = reinterpret_cast<uintptr_t>(at) + 4096ull * site.line;
    Broadcast& last = last_[(key * 0x9e3779b97f4a7c15) >> 52];
    if (last.at == at && last.line == site.line &&
        last.epoch == shadow_.epoch() && last.thread != running_) {
      return;
    }
    last = {at, site.line, shadow_.epoch(), running_};
    counts.read += size;
  }
  void write_device(const Extent& extent, const void* at, size_t size,
                    size_t alignment, Site site) {
    check_device(extent, at, size, alignment, site);
    auto* first = static_cast<const char*>(at);
    if (device_.write(first, size, running_)) {
      fail(
          "a race: a write of device memory that another thread has used since "
          "the last barrier for it",
          site);
    }
    if (launch_->write(first, size, group_)) {
      fail("a race: a write of device memory that another threadgroup has used",
           site);
    }
    counts.written += size;
  }
  // An atomic access, by which groups may hand over what they wrote. The engine
  // cannot check the order, so it trusts them from then on.
  void share_device(const Extent& extent, const void* at, size_t size,
                    size_t alignment, Site site) {
    check_device(extent, at, size, alignment, site);
    meets_others_ = true;
  }

  uint32_t group() const { return group_; }
  uint32_t thread() const { return running_; }
  // The type of the kernel's argument says whether it may write.
  const Extent& binding(unsigned index, bool writable = false);

  // The one whose thread is running.
  static Threadgroup& current() { return *current_; }

 private:
  enum class State { ready, at_barrier, at_simd, done };
  struct Lane {
    State state;
    Site site;
    size_t allocated;
    SimdOp op;
    unsigned argument;
    uint64_t value;
  };

  static constexpr size_t kPlaces = 4096;
  struct Broadcast {
    const void* at = nullptr;
    int line = 0;
    uint32_t epoch = 0, thread = 0;  // the first one
  };

  // This TLS model makes access one instruction; a fiber never changes threads.
  [[gnu::tls_model(
      "initial-exec")]] static constinit thread_local Threadgroup* current_;

  void check_device(const Extent& extent, const void* at, size_t size,
                    size_t alignment, Site site) {
    auto* byte = static_cast<const char*>(at);
    if (byte < extent.begin || byte + size > extent.end) {
      fail_outside(extent, byte, site);
    }
    if (reinterpret_cast<uintptr_t>(byte) % alignment != 0) {
      fail("a misaligned access to device memory", site);
    }
  }

  // Leaves a thread for good, without destroying what is on its stack.
  [[noreturn]] void stop();
  [[noreturn]] void fail_outside(const Extent& extent, const char* at,
                                 Site site);

  static void run_thread();
  void make_ready(uint32_t first, uint32_t last);  // threads of a simdgroup
  void leave();  // to the next thread that is ready
  void make_all_ready();
  void release();  // from a barrier, or fails if that is impossible
  void finish_simd(uint32_t first);
  std::string describe(Site site) const;

  std::vector<std::unique_ptr<Fiber>> fibers_;
  Fiber scheduler_{Fiber::Here{}};
  std::vector<Lane> lanes_;
  std::vector<uint32_t> ready_;
  std::vector<uint32_t> simdgroups_;  // in the order in which they continue
  std::vector<uint32_t> waiting_;     // lanes of each that are at a function
  std::unique_ptr<char[]> memory_;
  Shadow shadow_;
  DeviceShadow device_;
  LaunchShadow* launch_ = nullptr;
  uint32_t writable_ = 0;  // the kernel's buffers, as bits
  bool meets_others_ = false;
  Broadcast last_[kPlaces];
  Random random_{0};

  const Entry* entry_ = nullptr;
  const std::vector<Extent>* bindings_ = nullptr;
  Fence fence_{};  // of the barrier that threads are at
  uint32_t group_ = 0, running_ = 0, done_ = 0;
  std::string failure_;
};

}  // namespace upsweep::emulator
