// Launches: the registry of kernels, and threads of the host that share the
// threadgroups of a grid.
#include "engine.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "threadgroup.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace upsweep::emulator {

namespace {

// This and the spare threadgroups are never destroyed: threads may still run
// kernels when the process ends.
std::map<std::string, Entry>& registry() {
  static auto& entries = *new std::map<std::string, Entry>;
  return entries;
}

const Entry& entry_of(const std::string& name) {
  auto found = registry().find(name);
  if (found == registry().end()) {
    throw std::runtime_error("no kernel named " + name);
  }
  return found->second;
}

std::atomic<uint64_t>& seed() {
  static std::atomic<uint64_t> value = [] {
    const char* text = std::getenv("UPSWEEP_EMULATOR_SEED");
    return text ? std::strtoull(text, nullptr, 10) : 1ull;
  }();
  return value;
}

// float32 arithmetic flushes subnormal numbers here, as on the hardware.
class FlushSubnormals {
 public:
#if defined(__x86_64__)
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushSubnormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#elif defined(__aarch64__)
  FlushSubnormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | uint64_t{1} << 24));
  }
  ~FlushSubnormals() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  uint64_t before_;
#endif
};

// Idle threadgroups, with their stacks.
class Spare {
 public:
  std::unique_ptr<Threadgroup> take() {
    std::lock_guard lock(mutex_);
    if (spare_.empty()) return std::make_unique<Threadgroup>();
    auto group = std::move(spare_.back());
    spare_.pop_back();
    return group;
  }
  void give_back(std::unique_ptr<Threadgroup> group) {
    std::lock_guard lock(mutex_);
    spare_.push_back(std::move(group));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Threadgroup>> spare_;
};

Spare& spare() {
  static Spare& instance = *new Spare;
  return instance;
}

// A permutation of 0 … n - 1: the order of threadgroups. The GPUs that run
// look-back start them in the order of their index.
class Order {
 public:
  Order(const std::string& kernel, uint64_t n, uint64_t seed) : n_(n) {
    if (kernel.starts_with("lookback_")) return;
    Random random(seed);
    first_ = random.below(static_cast<uint32_t>(n));
    do {
      step_ = 1 + random.below(static_cast<uint32_t>(n));
    } while (std::gcd(step_, n_) != 1);
  }
  uint64_t operator[](uint64_t i) const { return (first_ + i * step_) % n_; }

 private:
  uint64_t n_, first_ = 0, step_ = 1;
};

Counts run_groups(const Launch& launch, uint32_t count,
                  const uint32_t* chosen) {
  const Entry& entry = entry_of(launch.kernel);
  if (count == 0 || launch.threads == 0 || launch.threads > 1024) {
    throw std::runtime_error(launch.kernel +
                             ": an empty launch, or one of "
                             "more than 1024 threads");
  }
  std::vector<Extent> bindings;
  for (const Binding& bound : launch.bindings) {
    auto* begin = static_cast<char*>(bound.data);
    bindings.push_back(
        {begin, begin + bound.size, static_cast<unsigned>(bindings.size())});
  }

  uint64_t launch_seed = seed().fetch_add(1);
  Order order(launch.kernel, count, launch_seed);
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::string failure;
  Counts counts;
  LaunchShadow shadow;
  auto work = [&] {
    FlushSubnormals mode;
    auto group = spare().take();
    group->counts = {};
    for (uint64_t i; !shadow.failed && (i = next.fetch_add(1)) < count;) {
      auto index = static_cast<uint32_t>(chosen ? i : order[i]);
      if (chosen) index = chosen[index];
      std::string wrong =
          group->run(entry, bindings, launch.threads, index,
                     launch_seed * 0x9e3779b97f4a7c15 + index, shadow);
      if (!wrong.empty()) {
        std::lock_guard lock(mutex);
        if (!shadow.failed) failure = wrong;
        shadow.failed = true;
      }
    }
    std::lock_guard lock(mutex);
    counts.read += group->counts.read;
    counts.written += group->counts.written;
    spare().give_back(std::move(group));
  };

  auto workers = std::min<uint32_t>(
      std::max(std::thread::hardware_concurrency(), 1u), (count + 3) / 4);
  std::vector<std::thread> threads;
  for (uint32_t w = 1; w < workers; ++w) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (shadow.failed) throw std::runtime_error(failure);
  return counts;
}

}  // namespace

Registration::Registration(Entry entry) { registry()[entry.name] = entry; }

const std::vector<std::string>& kernel_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, entry] : registry()) all.push_back(name);
    return all;
  }();
  return names;
}

bool has_kernel(const std::string& name) { return registry().contains(name); }
size_t params_size(const std::string& name) {
  return entry_of(name).params_size;
}

void set_seed(uint64_t value) { seed() = value; }

Counts run(const Launch& launch) {
  return run_groups(launch, launch.groups, nullptr);
}

Counts run(const Launch& launch, std::span<const uint32_t> chosen) {
  return run_groups(launch, static_cast<uint32_t>(chosen.size()),
                    chosen.data());
}

}  // namespace upsweep::emulator
