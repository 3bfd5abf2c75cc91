// The software Metal device's queues, command buffers, encoders and events.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <stdexcept>
#include <string>

#include "foundation.h"
#include "objects.h"

namespace upsweep::emulator {

namespace {

constexpr std::chrono::seconds kPatience{120};

// A failure with one of Metal's codes.
struct Failure : std::runtime_error {
  Failure(long code, const std::string& text)
      : std::runtime_error(text), code(code) {}
  long code;
};

// Bytes that kernels moved so far, for tests.
std::atomic<uint64_t> bytes_read{0}, bytes_written{0};

void count(const Counts& counts) {
  bytes_read += counts.read;
  bytes_written += counts.written;
}

const Definition definitions[] = {
    {"MTLSharedEvent",
     {{"signaledValue", method<&SharedEvent::value>()},
      {"setSignaledValue:", method<&SharedEvent::set_value>()}}},
    {"MTLCommandQueue",
     {{"commandBuffer", method<&CommandQueue::command_buffer>()}}},
    {"MTLCommandBuffer",
     {{"computeCommandEncoder", method<&CommandBuffer::compute_encoder>()},
      {"encodeWaitForEvent:value:", method<&CommandBuffer::encode_wait>()},
      {"encodeSignalEvent:value:", method<&CommandBuffer::encode_signal>()},
      {"commit", method<&CommandBuffer::commit>()},
      {"waitUntilCompleted", method<&CommandBuffer::wait_until_completed>()},
      {"status", method<&CommandBuffer::status>()},
      {"error", method<&CommandBuffer::error>()}}},
    {"MTLComputeCommandEncoder",
     {{"setComputePipelineState:", method<&ComputeEncoder::set_pipeline>()},
      {"setBuffer:offset:atIndex:", method<&ComputeEncoder::set_buffer>()},
      {"setBytes:length:atIndex:", method<&ComputeEncoder::set_bytes>()},
      {"dispatchThreadgroups:threadsPerThreadgroup:",
       method<&ComputeEncoder::dispatch>()},
      {"endEncoding", method<&ComputeEncoder::end>()}}}};

}  // namespace

uint64_t SharedEvent::value() {
  std::lock_guard lock(mutex_);
  return value_;
}

// Never decreases: a host that finds the value too low may be about to set it
// while the GPU increases it.
void SharedEvent::set_value(uint64_t value) {
  std::lock_guard lock(mutex_);
  value_ = std::max(value_, value);
  changed_.notify_all();
}

bool SharedEvent::wait(uint64_t value) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return value_ >= value; });
}

// What a queue shares with its thread.
struct CommandQueue::Line {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> work;
  bool closed = false;
};

CommandQueue::CommandQueue(NS::UInteger most_buffers)
    : Object("MTLCommandQueue"),
      most_buffers_(most_buffers),
      line_(std::make_shared<Line>()) {
  std::thread([line = line_] {
    for (;;) {
      std::unique_lock lock(line->mutex);
      line->changed.wait(lock,
                         [&] { return line->closed || !line->work.empty(); });
      if (line->work.empty()) return;
      auto work = std::move(line->work.front());
      line->work.pop_front();
      lock.unlock();
      work();
    }
  }).detach();
}

CommandQueue::~CommandQueue() {
  std::lock_guard lock(line_->mutex);
  line_->closed = true;
  line_->changed.notify_all();
}

Object* CommandQueue::command_buffer() {
  // Metal would block the caller, possibly forever.
  if (uncompleted >= most_buffers_) {
    throw std::runtime_error("more command buffers than the queue has");
  }
  return (new CommandBuffer(this))->autorelease();
}

void CommandQueue::push(std::function<void()> work) {
  std::lock_guard lock(line_->mutex);
  line_->work.push_back(std::move(work));
  line_->changed.notify_all();
}

CommandBuffer::CommandBuffer(CommandQueue* queue)
    : Object("MTLCommandBuffer"), queue_(queue) {
  ++queue->uncompleted;
}

CommandBuffer::~CommandBuffer() {
  if (status_ == MTL::CommandBufferStatusNotEnqueued) --queue_->uncompleted;
}

Object* CommandBuffer::compute_encoder() {
  if (fault("encoder")) return nullptr;
  return (new ComputeEncoder(this))->autorelease();
}

void CommandBuffer::append(std::function<void()> command) {
  if (status_ != MTL::CommandBufferStatusNotEnqueued) {
    throw std::runtime_error("commands after commit");
  }
  commands_.push_back(std::move(command));
}

void CommandBuffer::encode_wait(SharedEvent* event, uint64_t value) {
  append([event = Ref<SharedEvent>(event), value] {
    if (!event->wait(value)) {
      throw Failure(MTL::CommandBufferErrorTimeout, "Caused GPU Timeout Error");
    }
  });
}

void CommandBuffer::encode_signal(SharedEvent* event, uint64_t value) {
  append([event = Ref<SharedEvent>(event), value] {
    if (event->value() > value) {
      throw std::runtime_error("a signal that takes an event back");
    }
    event->set_value(value);
  });
}

void CommandBuffer::commit() {
  if (encoding) throw std::runtime_error("commit before endEncoding");
  if (status_ != MTL::CommandBufferStatusNotEnqueued) {
    throw std::runtime_error("a second commit");
  }
  status_ = MTL::CommandBufferStatusCommitted;
  long code = 0;
  if (fault("command_buffer")) code = MTL::CommandBufferErrorInternal;
  if (fault("out_of_memory")) code = MTL::CommandBufferErrorOutOfMemory;
  const char* slow = fault("slow");
  std::chrono::milliseconds delay(slow ? std::atol(slow) : 0);
  queue_->push([self = Ref<CommandBuffer>(this), code, delay] {
    std::this_thread::sleep_for(delay);
    self->run(code);
  });
}

void CommandBuffer::run(long injected) {
  Ref<Object> error;
  try {
    if (injected) throw Failure(injected, "an injected failure");
    for (auto& command : commands_) command();
  } catch (const Failure& failure) {
    error = Ref<Object>(new Error(failure.code, failure.what()));
  } catch (const std::exception& failure) {
    error =
        Ref<Object>(new Error(MTL::CommandBufferErrorInternal, failure.what()));
  }
  if (error) error->release();  // the one of `new`
  commands_.clear();
  --queue_->uncompleted;
  std::lock_guard lock(mutex_);
  error_ = error;
  status_ =
      error ? MTL::CommandBufferStatusError : MTL::CommandBufferStatusCompleted;
  done_.notify_all();
}

void CommandBuffer::wait_until_completed() {
  std::unique_lock lock(mutex_);
  if (status_ == MTL::CommandBufferStatusNotEnqueued) {
    throw std::runtime_error("waitUntilCompleted before commit");
  }
  done_.wait(lock,
             [&] { return status_ >= MTL::CommandBufferStatusCompleted; });
}

MTL::CommandBufferStatus CommandBuffer::status() {
  std::lock_guard lock(mutex_);
  return status_;
}

Object* CommandBuffer::error() {
  std::lock_guard lock(mutex_);
  return error_ ? error_->retain()->autorelease() : nullptr;
}

ComputeEncoder::ComputeEncoder(CommandBuffer* buffer)
    : Object("MTLComputeCommandEncoder"), buffer_(buffer), arguments_(31) {
  buffer->encoding = true;
}

ComputeEncoder::~ComputeEncoder() {
  if (!ended_) std::abort();  // as Metal does
}

void ComputeEncoder::set_buffer(Buffer* buffer, NS::UInteger offset,
                                NS::UInteger index) {
  arguments_.at(index) = {Ref<Buffer>(buffer), offset, {}};
}

void ComputeEncoder::set_bytes(const void* bytes, NS::UInteger length,
                               NS::UInteger index) {
  if (length > 4096) throw std::runtime_error("setBytes of more than 4 KB");
  auto* first = static_cast<const char*>(bytes);
  arguments_.at(index) = {{}, 0, std::vector<char>(first, first + length)};
}

void ComputeEncoder::dispatch(MTL::Size groups, MTL::Size threads) {
  if (groups.height * groups.depth * threads.height * threads.depth != 1 ||
      groups.width == 0 || threads.width == 0) {
    throw std::runtime_error("a dispatch of a grid that the kernels have not");
  }
  if (groups.width > UINT32_MAX / threads.width) {
    throw std::runtime_error("a dispatch of 2^32 threads or more");
  }
  if (!pipeline_) throw std::runtime_error("a dispatch without a pipeline");
  if (threads.width > pipeline_->most_threads()) {
    throw std::runtime_error("a dispatch of too large threadgroups");
  }
  buffer_->append([pipeline = pipeline_, arguments = arguments_,
                   groups = static_cast<uint32_t>(groups.width),
                   threads = static_cast<uint32_t>(threads.width)]() mutable {
    Launch launch{pipeline->kernel, {}, groups, threads};
    for (Argument& a : arguments) {
      if (a.buffer) {
        launch.bindings.push_back(
            {static_cast<char*>(a.buffer->contents()) + a.offset,
             a.buffer->length() - a.offset});
      } else {
        launch.bindings.push_back({a.bytes.data(), a.bytes.size()});
      }
    }
    count(emulator::run(launch));
  });
}

void ComputeEncoder::end() {
  ended_ = true;
  buffer_->encoding = false;
}

}  // namespace upsweep::emulator

extern "C" {
__attribute__((visibility("default"))) void upsweep_emulator_seed(
    uint64_t seed) {
  upsweep::emulator::set_seed(seed);
}
__attribute__((visibility("default"))) uint64_t upsweep_emulator_read() {
  return upsweep::emulator::bytes_read;
}
__attribute__((visibility("default"))) uint64_t upsweep_emulator_written() {
  return upsweep::emulator::bytes_written;
}
}
