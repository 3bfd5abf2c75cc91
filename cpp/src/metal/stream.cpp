// Commits work, and tracks what was committed.
#include "stream.h"

#include <stdexcept>
#include <string>

#include "device.h"
#include "upsweep/error.h"

namespace upsweep {

namespace {

// Command buffers of a queue, and how many may be under way: the rest are for
// deferred work.
constexpr int kBuffers = 256;
constexpr int kMostUnderWay = kBuffers - 16;

// Signals a point of a timeline when the work that holds it is destroyed,
// whether it ran, failed, or never began because its inputs had failed: other
// streams may be waiting for that point.
class SignalGuard {
 public:
  explicit SignalGuard(TimelinePoint point) : point_(point) {}
  ~SignalGuard() {
    AutoreleaseScope scope;
    if (!point_.passed()) point_.timeline->setSignaledValue(point_.value);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  TimelinePoint point_;
};

void throw_error(MTL::CommandBuffer* buffer) {
  if (buffer->status() != MTL::CommandBufferStatusError) return;
  NS::Error* error = buffer->error();
  std::string text = "[METAL] Command buffer execution failed: ";
  text += error ? error->localizedDescription()->utf8String() : "no reason";
  text += ".";
  if (error && error->code() == MTL::CommandBufferErrorOutOfMemory) {
    throw OutOfMemory(text);
  }
  throw std::runtime_error(text);
}

template <class T>
NS::SharedPtr<T> checked(T* made, const char* what) {
  if (made) return NS::TransferPtr(made);
  throw std::runtime_error(std::string("[new_stream] Metal could not make a ") +
                           what + ".");
}

// Metal may be out of room; messages to nil would silently do nothing.
template <class T>
T* begun(T* made) {
  if (made) return made;
  throw std::runtime_error("[METAL] The stream could not begin new work.");
}

}  // namespace

MetalStream::MetalStream(MTL::Device* device)
    : queue_(checked(device->newCommandQueue(kBuffers), "command queue")),
      timeline_(checked(device->newSharedEvent(), "shared event")) {}

void MetalStream::run_on_gpu(MetalWork work) {
  host_.wait_for_room();
  std::lock_guard lock(mutex_);
  if (deferred_ > 0 || under_way_ >= kMostUnderWay) {
    return commit_later(std::move(work));
  }
  auto buffer = encode(work, {timeline_.get(), on_host_});
  work.output->written = {timeline_.get(), ++given_};
  buffer->encodeSignalEvent(timeline_.get(), given_);
  buffer->commit();
  ++under_way_;
  track(std::move(buffer), std::move(work));
}

NS::SharedPtr<MTL::CommandBuffer> MetalStream::encode(
    const MetalWork& work, const TimelinePoint& before) const {
  MTL::CommandBuffer* buffer = begun(queue_->commandBuffer());
  auto wait_for = [&](const TimelinePoint& point) {
    if (!point.passed()) buffer->encodeWait(point.timeline, point.value);
  };
  wait_for(before);
  for (const StoragePtr& input : work.inputs) {
    auto* seen = dynamic_cast<MetalStorage*>(input.get());
    if (seen && seen->written.timeline != timeline_.get()) {
      wait_for(seen->written);
    }
  }
  MTL::ComputeCommandEncoder* encoder = begun(buffer->computeCommandEncoder());
  work.encode(encoder);
  encoder->endEncoding();
  return NS::RetainPtr(buffer);
}

void MetalStream::track(NS::SharedPtr<MTL::CommandBuffer> buffer,
                        MetalWork work) {
  auto signal_guard = std::make_shared<SignalGuard>(work.output->written);
  // With inputs, the queue would skip this if one of them failed. But the GPU
  // has started, and everything it touches must live until it is done.
  auto run = [this, buffer, signal_guard, encode = std::move(work.encode),
              inputs = std::move(work.inputs)] {
    AutoreleaseScope scope;
    buffer->waitUntilCompleted();
    --under_way_;
    for (const StoragePtr& input : inputs) input->ready().wait();
    throw_error(buffer.get());
  };
  host_.queue({std::move(run), {}, std::move(work.output), 0});
}

void MetalStream::commit_later(MetalWork work) {
  ++deferred_;
  // Destroyed with the work, whether or not it runs.
  std::shared_ptr<void> turn(nullptr, [this](void*) { --deferred_; });
  auto run = [this, work, turn] {
    AutoreleaseScope scope;
    auto buffer = encode(work, {});
    buffer->commit();
    buffer->waitUntilCompleted();
    throw_error(buffer.get());
  };
  submit_to_host({std::move(run), work.inputs, work.output, INT64_MAX});
}

void MetalStream::run_on_host(Work work) {
  host_.wait_for_room();
  std::lock_guard lock(mutex_);
  submit_to_host(std::move(work));
}

void MetalStream::submit_to_host(Work work) {
  on_host_ = ++given_;
  TimelinePoint done{timeline_.get(), given_};
  static_cast<MetalStorage&>(*work.output).written = done;
  auto signal_guard = std::make_shared<SignalGuard>(done);
  work.run = [run = std::move(work.run), signal_guard] { run(); };
  if (!host_.try_run(work.run, work.inputs, *work.output, work.elements)) {
    host_.queue(std::move(work));
  }
}

}  // namespace upsweep
