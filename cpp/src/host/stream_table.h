// StreamTable: the streams of a device by number, each made when first used.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace upsweep {

template <class S>
class StreamTable {
 public:
  // The number of a new stream; stream 0 exists from the start.
  int add() { return count_++; }
  bool has(int index) const { return index >= 0 && index < count_; }

  // make() returns a unique_ptr to a stream.
  template <class Make>
  S& find(int index, const Make& make) {
    Slots& slots = *slots_;
    // The lock would show in small calls, most of which use stream 0.
    if (index == 0) {
      S* first = slots.first.load(std::memory_order_acquire);
      if (first) return *first;
    }
    std::lock_guard lock(slots.mutex);
    auto i = static_cast<size_t>(index);
    if (slots.streams.size() <= i) slots.streams.resize(i + 1);
    auto& found = slots.streams[i];
    if (!found) found = make();
    if (i == 0) slots.first.store(found.get(), std::memory_order_release);
    return *found;
  }

  // Calls use(stream) for each that was made.
  template <class Use>
  void for_each(const Use& use) {
    Slots& slots = *slots_;
    std::lock_guard lock(slots.mutex);
    for (const auto& stream : slots.streams) {
      if (stream) use(*stream);
    }
  }

  // In a forked child: the same numbers name new streams. The old ones have
  // lost their threads, and another thread may have held their lock.
  void renew() { slots_ = new Slots; }

 private:
  struct Slots {
    std::mutex mutex;
    std::vector<std::unique_ptr<S>> streams;
    std::atomic<S*> first{nullptr};  // streams[0]
  };

  std::atomic<int> count_{1};
  // Never destroyed: streams run to the end of the process.
  std::atomic<Slots*> slots_{new Slots};
};

}  // namespace upsweep
