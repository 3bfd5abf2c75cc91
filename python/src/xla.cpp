// The handlers that XLA calls for upsweep.jax: its foreign function interface,
// which needs the headers of jaxlib and links nothing. This library has no
// Python in it; upsweep/_jax_handlers.py loads it.
#include <algorithm>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "upsweep/upsweep.h"
#include "xla/ffi/api/ffi.h"

namespace upsweep::xla_handlers {
namespace {

namespace ffi = ::xla::ffi;

using Result = ffi::Result<ffi::AnyBuffer>;

Dtype dtype_of_buffer(ffi::DataType type) {
  switch (type) {
    case ffi::PRED:
      return bool_;
    case ffi::U8:
      return uint8;
    case ffi::U16:
      return uint16;
    case ffi::U32:
      return uint32;
    case ffi::U64:
      return uint64;
    case ffi::S8:
      return int8;
    case ffi::S16:
      return int16;
    case ffi::S32:
      return int32;
    case ffi::S64:
      return int64;
    case ffi::F16:
      return float16;
    case ffi::BF16:
      return bfloat16;
    case ffi::F32:
      return float32;
    case ffi::F64:
      return float64;
    case ffi::C64:
      return complex64;
    default:
      throw TypeError("[jax] upsweep has no such dtype.");
  }
}

Shape shape_of(const ffi::AnyBuffer& buffer) {
  auto dimensions = buffer.dimensions();
  return {dimensions.begin(), dimensions.end()};
}

Strides row_major(const Shape& shape) {
  Strides strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

// Exclusive use of a stream. Small work runs on the calling thread only if its
// stream is idle, and XLA calls handlers from several threads, so they must not
// share one. Streams are never destroyed, so the lease returns its stream.
class StreamLease {
 public:
  StreamLease() : stream_(take()) {}
  ~StreamLease() {
    std::lock_guard lock(mutex());
    idle().push_back(stream_);
  }
  StreamLease(const StreamLease&) = delete;
  StreamLease& operator=(const StreamLease&) = delete;

  Stream operator*() const { return stream_; }

 private:
  static std::mutex& mutex() {
    static std::mutex& mutex = *new std::mutex;
    return mutex;
  }
  static std::vector<Stream>& idle() {
    static auto& idle = *new std::vector<Stream>;
    return idle;
  }
  static Stream take() {
    {
      std::lock_guard lock(mutex());
      if (!idle().empty()) {
        Stream stream = idle().back();
        idle().pop_back();
        return stream;
      }
    }
    return new_stream(DeviceType::cpu);
  }

  Stream stream_;
};

// What a handler is called with.
struct Call {
  std::vector<array> operands;
  Shape shape;  // of the result
  ResultMemory into;
  Stream stream;

  // The operands broadcast, so that vmap need not repeat what it does not map.
  array operand(size_t i) const { return broadcast_to(operands[i], shape); }
  std::optional<array> optional(size_t i) const {
    return i < operands.size() ? std::optional(operand(i)) : std::nullopt;
  }
};

// Calls run with the call. adopt makes an array of XLA's memory, and finish
// gets the result.
template <class Adopt, class Run, class Finish>
ffi::Error answer(const ffi::RemainingArgs& operands, Result& result,
                  Stream stream, const Adopt& adopt, const Run& run,
                  const Finish& finish) {
  Call call{{}, shape_of(*result), {}, stream};
  for (size_t i = 0; i < operands.size(); ++i) {
    auto buffer = operands.get<ffi::AnyBuffer>(i).value();
    Shape shape = shape_of(buffer);
    Strides strides = row_major(shape);
    call.operands.push_back(adopt(buffer.untyped_data(), shape, strides,
                                  dtype_of_buffer(buffer.element_type())));
  }
  call.into = {static_cast<std::byte*>(result->untyped_data()),
               result->size_bytes()};
  try {
    finish(run(call));
  } catch (...) {
    // Work that the stream has been given still uses XLA's memory, which is
    // XLA's again once the handler returns.
    try {
      synchronize(stream);
    } catch (const std::exception&) {
      // The first error tells what went wrong.
    }
    throw;
  }
  return ffi::Error::Success();
}

// Exceptions do not cross the interface.
template <class Fn>
ffi::Error caught(const Fn& fn) {
  try {
    return fn();
  } catch (const OutOfMemory& e) {
    return {ffi::ErrorCode::kResourceExhausted, e.what()};
  } catch (const std::exception& e) {
    return {ffi::ErrorCode::kInternal, e.what()};
  }
}

// XLA keeps operands and the result until the handler returns.
template <auto run, class... Attributes>
ffi::Error on_cpu(ffi::RemainingArgs operands, Result result,
                  Attributes... attributes) {
  return caught([&] {
    StreamLease stream;
    return answer(
        operands, result, *stream,
        [](void* data, const Shape& shape, const Strides& strides,
           Dtype dtype) {
          return array::adopt(data, shape, strides, dtype, [] {});
        },
        [&](const Call& call) { return run(call, attributes...); },
        [](const array& out) { out.wait(); });
  });
}

// The work runs on XLA's stream, in whose order XLA keeps and reuses memory: no
// thread waits, except for the few operations that the CPU does.
template <auto run, class... Attributes>
ffi::Error on_cuda(void* native, int32_t device, ffi::RemainingArgs operands,
                   Result result, Attributes... attributes) {
  return caught([&] {
    Stream stream = wrap_native_stream({DeviceType::gpu, device}, native);
    return answer(
        operands, result, stream,
        [&](void* data, const Shape& shape, const Strides& strides,
            Dtype dtype) {
          return array::adopt(data, shape, strides, dtype, {}, stream);
        },
        [&](const Call& call) { return run(call, attributes...); },
        [&](const array& out) { out.device_data(native); });
  });
}

Op op_of(std::string_view name) {
  for (Op op : {Op::prod, Op::sum, Op::max, Op::min, Op::logaddexp}) {
    if (name == op_name(op)) return op;
  }
  throw std::invalid_argument("[jax] op is none of upsweep's.");
}

array run_scan(const Call& call, std::string_view op, int64_t axis,
               bool reverse, bool inclusive) {
  return scan(call.operand(0), op_of(op), static_cast<int>(axis),
              {.reverse = reverse,
               .inclusive = inclusive,
               .reset = call.optional(1),
               .into = call.into,
               .stream = call.stream});
}

array run_recurrence(const Call& call, int64_t axis, bool reverse,
                     bool inclusive) {
  return linear_recurrence(call.operand(0), call.operand(1),
                           static_cast<int>(axis),
                           {.reverse = reverse,
                            .inclusive = inclusive,
                            .reset = call.optional(2),
                            .into = call.into},
                           call.stream);
}

array run_prod_jvp(const Call& call, int64_t axis, bool reverse,
                   bool inclusive) {
  return cumprod_jvp(call.operand(0), call.operand(1), static_cast<int>(axis),
                     reverse, inclusive, call.stream, call.into,
                     call.optional(2));
}

array run_prod_vjp(const Call& call, int64_t axis, bool reverse,
                   bool inclusive) {
  return cumprod_vjp(call.operand(0), call.operand(1), static_cast<int>(axis),
                     reverse, inclusive, call.stream, call.into,
                     call.optional(2));
}

}  // namespace
}  // namespace upsweep::xla_handlers

// upsweep_<name>_cpu and upsweep_<name>_cuda, with attributes before those that
// all have.
#define UPSWEEP_BIND(first)                                          \
  first.RemainingArgs()                                              \
      .Ret<xla::ffi::AnyBuffer>() UPSWEEP_MORE.Attr<int64_t>("axis") \
      .Attr<bool>("reverse")                                         \
      .Attr<bool>("inclusive")
#define UPSWEEP_HANDLERS(name, ...)                                      \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                                         \
      upsweep_##name##_cpu,                                              \
      (upsweep::xla_handlers::on_cpu<upsweep::xla_handlers::run_##name,  \
                                     __VA_ARGS__>),                      \
      UPSWEEP_BIND(xla::ffi::Ffi::Bind()));                              \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                                         \
      upsweep_##name##_cuda,                                             \
      (upsweep::xla_handlers::on_cuda<upsweep::xla_handlers::run_##name, \
                                      __VA_ARGS__>),                     \
      UPSWEEP_BIND(xla::ffi::Ffi::Bind()                                 \
                       .Ctx<xla::ffi::PlatformStream<void*>>()           \
                       .Ctx<xla::ffi::DeviceOrdinal>()))

// The handlers are found by name.
#pragma GCC visibility push(default)
#define UPSWEEP_MORE
UPSWEEP_HANDLERS(recurrence, int64_t, bool, bool);
UPSWEEP_HANDLERS(prod_jvp, int64_t, bool, bool);
UPSWEEP_HANDLERS(prod_vjp, int64_t, bool, bool);
#undef UPSWEEP_MORE
#define UPSWEEP_MORE .Attr<std::string_view>("op")
UPSWEEP_HANDLERS(scan, std::string_view, int64_t, bool, bool);
#undef UPSWEEP_MORE
#pragma GCC visibility pop
