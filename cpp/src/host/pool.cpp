// The threads of the pool, started when they are first needed.
#include "pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#ifdef __linux__
#include <sched.h>
#endif

#include "upsweep/float_mode.h"
#include "upsweep/threads.h"

namespace upsweep {

namespace {

// The least work that pays for waking another thread, in elements.
constexpr int64_t kMinShare = 1 << 17;
constexpr int kMaxThreads = 1024;
// Elements that a thread claims at a time.
constexpr int64_t kRange = 1 << 15;

// Processors in this process's affinity mask, or the share of them that its
// control group may use.
int usable_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  double quota = 0, period = 0;
  if (std::ifstream("/sys/fs/cgroup/cpu.max") >> quota >> period && quota > 0 &&
      period > 0) {
    count = std::min(count, static_cast<int>(quota / period + 0.5));
  }
#endif
  return std::max(count, 1);
}

int wanted_threads() {
  const char* text = std::getenv("UPSWEEP_NUM_THREADS");
  int count = 0;
  if (text) std::from_chars(text, text + std::strlen(text), count);
  return count > 0 ? std::min(count, kMaxThreads) : usable_processors();
}

// Never destroyed. A forked child makes a new one, because it lacks the
// threads.
std::atomic<Pool*> the_pool{nullptr};

}  // namespace

Pool& pool() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { the_pool = nullptr; });
  static_cast<void>(registered);
  Pool* found = the_pool;
  if (found) return *found;
  auto* fresh = new Pool(wanted_threads());
  if (the_pool.compare_exchange_strong(found, fresh)) return *fresh;
  delete fresh;
  return *found;
}

int get_num_threads() { return pool().threads(); }

int set_num_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    throw std::invalid_argument("[set_num_threads] n must be between 1 and " +
                                std::to_string(kMaxThreads) + ", not " +
                                std::to_string(threads) + ".");
  }
  int before = pool().threads();
  pool().set_threads(threads);
  return before;
}

int threads_for(int64_t elements) {
  return static_cast<int>(std::min<int64_t>(
      pool().threads(), (elements + kMinShare - 1) / kMinShare));
}

void for_ranges(int64_t size, const std::function<void(int64_t, int64_t)>& fn,
                int64_t cost) {
  int threads = threads_for(size * cost);
  if (threads <= 1) return fn(0, size);
  std::atomic<int64_t> next{0};
  pool().run(threads, [&] {
    int64_t range = std::max<int64_t>(1, kRange / cost);
    for (int64_t first; (first = next.fetch_add(range)) < size;) {
      fn(first, std::min(first + range, size));
    }
  });
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run(int threads, const std::function<void()>& fn) {
  std::unique_lock busy(busy_, std::try_to_lock);
  int helpers = std::min(threads, this->threads()) - 1;
  if (helpers <= 0 || !busy) return fn();
  {
    std::lock_guard lock(mutex_);
    try {
      while (static_cast<int>(workers_.size()) < helpers) {
        workers_.emplace_back([this] { worker_loop(); });
      }
    } catch (const std::system_error&) {
      // The system has no more threads: make do with those there are.
    }
    fn_ = &fn;
    wanted_ = std::min(helpers, static_cast<int>(workers_.size()));
  }
  wake_.notify_all();
  fn();
  std::unique_lock lock(mutex_);
  wanted_ = 0;  // a worker that has not woken by now is too late
  idle_.wait(lock, [this] { return running_ == 0; });
}

void Pool::worker_loop() {
  FloatMode mode;  // a new thread inherits its creator's
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return wanted_ > 0 || stopped_; });
    if (stopped_) return;
    --wanted_;
    ++running_;
    const std::function<void()>& fn = *fn_;
    lock.unlock();
    fn();
    lock.lock();
    if (--running_ == 0) idle_.notify_one();
  }
}

}  // namespace upsweep
