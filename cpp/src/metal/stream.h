// MetalStream: work for the GPU and for the CPU, in the order it was given.
//
// The calling thread encodes work for the GPU and commits it at once. A queue
// on the host follows: for each command buffer it waits until the GPU is done,
// then signals the output or reports the error. Since memory is shared, work
// for the CPU (comparisons, small copies) simply joins that queue, after
// everything committed before it.
//
// Metal blocks a thread that asks for more command buffers than its queue has.
// That must not happen to the calling thread, which may hold a lock that others
// need (the GIL). So the host queue commits any work beyond that number, and
// all work after it until it has caught up.
//
// The timeline, a shared event, tells the GPU how far the stream has got, so
// that it can wait for the host and for other streams without help from the
// CPU: the n-th piece of work is done once the timeline has reached n.
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
  // Must not fail. Its captures stay alive until the GPU is done.
  std::function<void(MTL::ComputeCommandEncoder*)> encode;
  // Inputs of another kind than the output only pass on their errors.
  std::vector<StoragePtr> inputs;
  std::shared_ptr<MetalStorage> output;
};

class MetalStream {
 public:
  explicit MetalStream(MTL::Device* device);

  void run_on_gpu(MetalWork work);
  // The output must be a MetalStorage.
  void run_on_host(Work work);
  void synchronize() { host_.synchronize(); }
  void wait_until_idle() { host_.wait_until_idle(); }

 private:
  NS::SharedPtr<MTL::CommandBuffer> encode(const MetalWork& work,
                                           const TimelinePoint& before) const;
  void track(NS::SharedPtr<MTL::CommandBuffer> buffer, MetalWork work);
  void commit_later(MetalWork work);
  void submit_to_host(Work work);

  NS::SharedPtr<MTL::CommandQueue> queue_;
  NS::SharedPtr<MTL::SharedEvent> timeline_;
  std::mutex mutex_;      // keeps the GPU and the queue in the same order
  uint64_t given_ = 0;    // pieces of work
  uint64_t on_host_ = 0;  // the last of them that the host queue has to run
  std::atomic<int> under_way_{0};  // command buffers
  std::atomic<int> deferred_{0};   // work that the host queue will commit
  HostQueue host_;
};

}  // namespace upsweep
