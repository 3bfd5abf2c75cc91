// Scheduling. A thread that must wait yields to any thread that is ready. If
// none is, all must be at the same barrier, or will never be.
#include "threadgroup.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <sstream>
#include <string_view>
#include <thread>

namespace upsweep::emulator {

constinit thread_local Threadgroup* Threadgroup::current_ = nullptr;

std::string Threadgroup::run(const Entry& entry,
                             const std::vector<Extent>& bindings,
                             uint32_t threads, uint32_t group, uint64_t seed,
                             LaunchShadow& shadow) {
  while (fibers_.size() < threads) {
    fibers_.push_back(
        std::make_unique<Fiber>(static_cast<uint32_t>(fibers_.size())));
  }
  entry_ = &entry;
  bindings_ = &bindings;
  group_ = group;
  random_ = Random(seed);
  done_ = 0;
  failure_.clear();
  std::memset(memory_.get(), static_cast<int>(seed % 255) + 1, kMemory);
  shadow_.start_group();
  device_.next_epoch();
  launch_ = &shadow;
  writable_ = 0;
  meets_others_ = false;
  lanes_.assign(threads, Lane{});
  waiting_.assign((threads + kSimd - 1) / kSimd, 0);
  simdgroups_.resize(waiting_.size());
  std::iota(simdgroups_.begin(), simdgroups_.end(), 0);
  for (uint32_t t = 0; t < threads; ++t) fibers_[t]->prepare(run_thread);
  ready_.clear();
  make_all_ready();
  current_ = this;
  running_ = ready_.back();
  ready_.pop_back();
  Fiber::change(scheduler_, *fibers_[running_]);
  current_ = nullptr;
  return failure_;
}

void Threadgroup::run_thread() {
  Threadgroup& group = current();
  group.entry_->run();
  group.lanes_[group.running_].state = State::done;
  ++group.done_;
  group.leave();
}

void Threadgroup::make_ready(uint32_t first, uint32_t last) {
  for (uint32_t t = first; t < last; ++t) {
    lanes_[t].state = State::ready;
    ready_.push_back(t);
  }
  random_.shuffle(ready_.data() + ready_.size() - (last - first), last - first);
}

void Threadgroup::make_all_ready() {
  auto threads = static_cast<uint32_t>(lanes_.size());
  random_.shuffle(simdgroups_.data(),
                  static_cast<uint32_t>(simdgroups_.size()));
  for (uint32_t s : simdgroups_) {
    make_ready(s * kSimd, std::min(s * kSimd + kSimd, threads));
  }
}

void Threadgroup::leave() {
  Fiber& from = *fibers_[running_];
  if (ready_.empty()) release();
  if (ready_.empty() || !failure_.empty()) {
    Fiber::change(from, scheduler_);
  }
  uint32_t next = ready_.back();
  ready_.pop_back();
  if (next == running_) return;
  running_ = next;
  Fiber::change(from, *fibers_[next]);
}

void Threadgroup::release() {
  auto threads = static_cast<uint32_t>(lanes_.size());
  if (done_ == threads) return;
  const Lane* first = nullptr;
  for (const Lane& lane : lanes_) {
    if (lane.state == State::at_simd) {
      failure_ = "a simdgroup function that some of its threads do not reach" +
                 describe(lane.site);
      return;
    }
    if (lane.state != State::at_barrier) continue;
    if (!first) first = &lane;
    if (lane.site.line != first->site.line ||
        std::strcmp(lane.site.file, first->site.file) != 0) {
      failure_ = "two barriers at once" + describe(first->site) + " and" +
                 describe(lane.site);
      return;
    }
  }
  if (done_ > 0) {
    failure_ =
        "a barrier that some threads do not reach" + describe(first->site);
    return;
  }
  if (fence_.threadgroup) shadow_.next_epoch();
  if (fence_.device) device_.next_epoch();
  make_all_ready();
}

void Threadgroup::stop() {
  Fiber::change(*fibers_[running_], scheduler_);
  __builtin_unreachable();
}

void Threadgroup::look_again(Site site) {
  std::this_thread::yield();
  if (launch_->failed) fail("a wait for a threadgroup that has failed", site);
}

void Threadgroup::fail(const char* what, Site site) {
  failure_ = what;
  failure_ += describe(site);
  stop();
}

void Threadgroup::fail_outside(const Extent& extent, const char* at,
                               Site site) {
  failure_ = "an access outside buffer ";
  failure_ += std::to_string(extent.index) + ", at byte ";
  failure_ += std::to_string(at - extent.begin) + " of ";
  failure_ += std::to_string(extent.end - extent.begin) + describe(site);
  stop();
}

void Threadgroup::barrier(Fence fence, Site site) {
  fence_ = fence;
  lanes_[running_].state = State::at_barrier;
  lanes_[running_].site = site;
  leave();
}

uint64_t Threadgroup::simd(SimdOp op, unsigned argument, uint64_t value,
                           Site site) {
  Lane& lane = lanes_[running_];
  lane = {State::at_simd, site, lane.allocated, op, argument, value};
  uint32_t thread = running_, simdgroup = thread / kSimd;
  uint32_t first = simdgroup * kSimd;
  auto last = std::min(first + kSimd, static_cast<uint32_t>(lanes_.size()));
  if (++waiting_[simdgroup] == last - first) {
    waiting_[simdgroup] = 0;
    finish_simd(first);
    make_ready(first, last);
  }
  leave();
  return lanes_[thread].value;
}

void Threadgroup::finish_simd(uint32_t first) {
  auto last = std::min(first + kSimd, static_cast<uint32_t>(lanes_.size()));
  const Lane& model = lanes_[first];
  for (uint32_t t = first + 1; t < last; ++t) {
    const Lane& lane = lanes_[t];
    if (lane.op != model.op || lane.argument != model.argument ||
        lane.site.line != model.site.line ||
        std::strcmp(lane.site.file, model.site.file) != 0) {
      failure_ = "two simdgroup functions at once";
      failure_ += describe(model.site) + " and" + describe(lane.site);
      stop();
    }
  }
  // From the last lane down, so that each reads its source before it changes.
  for (uint32_t t = last; t-- > first + model.argument;) {
    lanes_[t].value = lanes_[t - model.argument].value;
  }
}

char* Threadgroup::allocate(size_t size, size_t alignment) {
  size_t& used = lanes_[running_].allocated;
  size_t at = (used + alignment - 1) / alignment * alignment;
  used = at + size;
  if (used > kMemory) {
    fail("more threadgroup memory than there is", {entry_->name, 0});
  }
  return memory_.get() + at;
}

const Extent& Threadgroup::binding(unsigned index, bool writable) {
  if (index >= bindings_->size() || !(*bindings_)[index].begin) {
    failure_ = "a buffer that is not bound: ";
    failure_ += std::to_string(index) + describe({entry_->name, 0});
    stop();
  }
  if (writable) writable_ |= 1u << index;
  return (*bindings_)[index];
}

std::string Threadgroup::describe(Site site) const {
  std::ostringstream text;
  std::string_view file = site.file;
  text << " at " << file.substr(file.rfind('/') + 1);
  if (site.line) text << ":" << site.line;
  text << " (" << entry_->name << ", threadgroup " << group_ << ", thread "
       << running_ << ")";
  return text.str();
}

}  // namespace upsweep::emulator
