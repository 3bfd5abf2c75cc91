// The queue of release functions, and the thread that calls them.
#include "release.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "upsweep/memory.h"

namespace upsweep {

namespace {

thread_local bool later = false;
thread_local bool running = false;

std::atomic<void (*)(void (*)())> scope{nullptr};

class Releases {
 public:
  void push(std::function<void()> function) {
    std::lock_guard lock(mutex_);
    functions_.push_back(std::move(function));
    is_due_.store(true, std::memory_order_release);
    was_pushed_ = true;
    start();
    pushed_.notify_one();
  }

  bool is_due() const { return is_due_.load(std::memory_order_acquire); }

  // Empty where none is left.
  std::function<void()> pop() {
    std::lock_guard lock(mutex_);
    std::function<void()> function;
    if (!functions_.empty()) {
      function = std::move(functions_.front());
      functions_.pop_front();
    }
    is_due_.store(!functions_.empty(), std::memory_order_release);
    return function;
  }

 private:
  // The thread lasts as long as the process. If the system has no thread to
  // spare, threads that wait for results call the functions.
  void start() {
    if (started_) return;
    try {
      std::thread([this] { worker_loop(); }).detach();
      started_ = true;
    } catch (const std::system_error&) {
    }
  }

  void worker_loop() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        pushed_.wait(lock, [this] { return was_pushed_; });
        was_pushed_ = false;
      }
      run_due_releases();
    }
  }

  std::mutex mutex_;
  std::condition_variable pushed_;
  std::deque<std::function<void()>> functions_;
  std::atomic<bool> is_due_{false};
  bool was_pushed_ = false;
  bool started_ = false;
};

// Never destroyed. A forked child starts with a new, empty queue, because it
// lacks the thread; the parent calls what was queued.
std::atomic<Releases*> the_releases{new Releases};
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { the_releases = new Releases; });

// Functions leave the queue only inside the scope, so a thread that enters it
// and finds the queue empty knows that all were called.
void run_all() {
  Releases& releases = *the_releases;
  while (auto function = releases.pop()) {
    try {
      function();
    } catch (...) {  // no caller to report to
    }
  }
}

}  // namespace

ReleaseLater::ReleaseLater() : before_(later) { later = true; }
ReleaseLater::~ReleaseLater() { later = before_; }

void release(std::function<void()> function) noexcept {
  if (!function) return;
  try {
    if (later) return (*the_releases).push(std::move(function));
    function();
  } catch (...) {  // no memory for the queue: leak the owner
  }
}

void run_due_releases() noexcept {
  if (running || !(*the_releases).is_due()) return;
  running = true;
  auto within = scope.load();
  within ? within(run_all) : run_all();
  running = false;
}

void run_releases_within(void (*around)(void (*run)())) { scope = around; }

}  // namespace upsweep
