// MetalStream: work for the GPU and for the processors, in the order in which
// it was given.
//
// The calling thread encodes work for the GPU and commits it at once. A queue
// on the host follows behind: for each
// command buffer it waits, and then says that the output is there or why it is
// not. Since memory is shared, work for the processors (copies, comparisons)
// simply takes its place in that queue, after all that was committed before it.
//
// Metal lets a thread wait that asks for more command buffers than its queue
// has. That must not happen here, for the caller may hold what others need to
// get on (the GIL). Work beyond that is committed by that queue, and
// so is all that follows, until the queue is done with it.
//
// The timeline, a shared event, tells the GPU how far the stream is, so that it
// waits for the host and for other streams without a processor's help: the n-th
// piece of work is done once the timeline has reached n.
#pragma once

#include <Metal/Metal.hpp>
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "../host/queue.h"
#include "storage.h"

namespace upsweep {

struct MetalWork {
  // Does not fail. What it holds stays alive until the GPU is done.
  std::function<void(MTL::ComputeCommandEncoder*)> encode;
  // Those of other kinds than the output's only tell of their errors.
  std::vector<StoragePtr> inputs;
  std::shared_ptr<MetalStorage> output;
};

class MetalStream {
 public:
  explicit MetalStream(MTL::Device* device);

  void run_on_gpu(MetalWork work);
  // The output is a MetalStorage.
  void run_on_host(Work work);
  void synchronize() { host_.synchronize(); }
  void wait_until_idle() { host_.wait_until_idle(); }

 private:
  NS::SharedPtr<MTL::CommandBuffer> encode(const MetalWork& work,
                                           const TimelinePoint& before) const;
  void follow(NS::SharedPtr<MTL::CommandBuffer> buffer, MetalWork work);
  void commit_later(MetalWork work);
  void take_place_on_host(Work work);

  NS::SharedPtr<MTL::CommandQueue> queue_;
  NS::SharedPtr<MTL::SharedEvent> timeline_;
  std::mutex mutex_;      // keeps the order the same everywhere
  uint64_t given_ = 0;    // pieces of work
  uint64_t on_host_ = 0;  // the last of them that this thread did not commit
  std::atomic<int> under_way_{0};  // command buffers
  std::atomic<int> put_off_{0};    // work whose turn to be committed will come
  HostQueue host_;
};

}  // namespace upsweep
