// TensorCall: a call from tensors to a tensor, on the device of the first one.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "bindings.h"

namespace upsweep::python {

struct DLManagedTensorVersioned;
struct Exchange;
struct Taken;

// On a GPU the work runs in the order of the library's current stream: it reads
// and writes the library's memory, which is reused in that order. No thread
// waits for it, except for what upsweep leaves to the CPU.
class TensorCall {
 public:
  TensorCall(nb::handle first, const char* op);
  ~TensorCall();
  TensorCall(const TensorCall&) = delete;
  TensorCall& operator=(const TensorCall&) = delete;

  StreamOrDevice stream() const {
    return stream_ ? StreamOrDevice(*stream_) : DeviceType::cpu;
  }
  bool is_on_gpu() const { return device_.has_value(); }

  const array& first() const { return *first_; }
  array operand(nb::handle tensor);
  // A tensor of what compute(into()) returns.
  template <class Compute>
  nb::object run(const Compute& compute) {
    auto in_place = [&] { return compute(into()); };
    if (!is_on_gpu()) return finish(give_work(first(), in_place));
    allocate();
    array out = [&] {
      WithoutGil released;
      return in_place();
    }();
    return finish(std::move(out));
  }

 private:
  // On a GPU: the result, of the shape and dtype of the first tensor.
  void allocate();
  // Where it goes.
  ResultMemory into() const;
  nb::object finish(array out);
  array adopted(Taken taken);

  const Exchange& exchange_;
  const char* op_;
  std::optional<Device> device_;  // only a GPU
  void* native_ = nullptr;        // its current stream
  std::optional<Stream> stream_;
  std::vector<std::shared_ptr<void>> taken_;        // on a GPU
  const DLManagedTensorVersioned* like_ = nullptr;  // the first of them
  std::optional<array> first_;
  DLManagedTensorVersioned* result_ = nullptr;
};

}  // namespace upsweep::python
