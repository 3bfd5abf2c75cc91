// The software Metal device's own objects.
#pragma once

#include <Metal/Metal.hpp>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine.h"
#include "objc.h"

namespace upsweep::emulator {

// Keeps an object alive.
template <class T>
class Ref {
 public:
  Ref(T* object = nullptr) : object_(object) {
    if (object_) object_->retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref& operator=(const Ref& other) {
    Ref copy(other);
    std::swap(object_, copy.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->release();
  }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_; }

 private:
  T* object_;
};

class Buffer final : public Object {
 public:
  // Its own memory, which starts as garbage, or the caller's.
  explicit Buffer(size_t nbytes);
  Buffer(void* data, size_t nbytes);
  ~Buffer() override;

  void* contents() { return data_; }
  NS::UInteger length() { return nbytes_; }
  bool exists() const { return data_; }

 private:
  void* data_;
  size_t nbytes_;
  bool owned_;
};

class Pipeline final : public Object {
 public:
  explicit Pipeline(std::string kernel)
      : Object("MTLComputePipelineState"), kernel(std::move(kernel)) {}
  NS::UInteger most_threads();
  NS::UInteger simd_width();

  const std::string kernel;
};

// A counter that the GPU and the CPU increase and wait for.
class SharedEvent final : public Object {
 public:
  SharedEvent() : Object("MTLSharedEvent") {}
  uint64_t value();
  void set_value(uint64_t value);
  // False after the time at which a GPU would give up.
  bool wait(uint64_t value);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t value_ = 0;
};

// Runs the command buffers of its commits one after the other.
class CommandQueue final : public Object {
 public:
  explicit CommandQueue(NS::UInteger most_buffers);
  ~CommandQueue() override;
  Object* command_buffer();
  void push(std::function<void()> work);
  std::atomic<NS::UInteger> uncompleted{0};  // command buffers

 private:
  struct Line;
  NS::UInteger most_buffers_;
  std::shared_ptr<Line> line_;
};

class CommandBuffer final : public Object {
 public:
  explicit CommandBuffer(CommandQueue* queue);
  ~CommandBuffer() override;

  Object* compute_encoder();
  void encode_wait(SharedEvent* event, uint64_t value);
  void encode_signal(SharedEvent* event, uint64_t value);
  void commit();
  void wait_until_completed();
  MTL::CommandBufferStatus status();
  Object* error();

  // For encoders: the next command, which throws if it fails.
  void append(std::function<void()> command);
  bool encoding = false;

 private:
  void run(long injected);

  Ref<CommandQueue> queue_;
  std::vector<std::function<void()>> commands_;
  std::mutex mutex_;
  std::condition_variable done_;
  MTL::CommandBufferStatus status_ = MTL::CommandBufferStatusNotEnqueued;
  Ref<Object> error_;
};

class ComputeEncoder final : public Object {
 public:
  explicit ComputeEncoder(CommandBuffer* buffer);
  ~ComputeEncoder() override;

  void set_pipeline(Pipeline* pipeline) { pipeline_ = Ref<Pipeline>(pipeline); }
  void set_buffer(Buffer* buffer, NS::UInteger offset, NS::UInteger index);
  void set_bytes(const void* bytes, NS::UInteger length, NS::UInteger index);
  void dispatch(MTL::Size groups, MTL::Size threads);
  void end();

 private:
  // A buffer, or bytes that were copied when they were set.
  struct Argument {
    Ref<Buffer> buffer;
    size_t offset = 0;
    std::vector<char> bytes;
  };

  Ref<CommandBuffer> buffer_;
  Ref<Pipeline> pipeline_;
  std::vector<Argument> arguments_;
  bool ended_ = false;
};

}  // namespace upsweep::emulator
