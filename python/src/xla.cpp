// The handlers that XLA calls for upsweep.jax: its foreign function interface,
// which needs the headers of jaxlib and links nothing. This library has no
// Python in it; upsweep/_jax_handlers.py loads it.
#include <cstring>
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

// A stream that nobody else uses meanwhile: XLA calls handlers on many threads
// at once, and small work runs on the calling thread if its stream is idle.
// Streams last as long as the process, so they are used again.
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

array on_cpu(const ffi::AnyBuffer& buffer) {
  Shape shape = shape_of(buffer);
  Strides strides = row_major(shape);
  return array::adopt(buffer.untyped_data(), std::move(shape),
                      std::move(strides),
                      dtype_of_buffer(buffer.element_type()), [] {});
}

// The operands as arrays, and what becomes an error of XLA's.
template <class Run>
ffi::Error run_on_cpu(ffi::RemainingArgs operands, Result& result,
                      const Run& run) {
  try {
    std::vector<array> arrays;
    for (size_t i = 0; i < operands.size(); ++i) {
      arrays.push_back(on_cpu(operands.get<ffi::AnyBuffer>(i).value()));
    }
    StreamLease stream;
    array out = run(arrays, *stream);
    std::memcpy(result->untyped_data(), out.raw_data(), out.nbytes());
    return ffi::Error::Success();
  } catch (const OutOfMemory& e) {
    return {ffi::ErrorCode::kResourceExhausted, e.what()};
  } catch (const std::exception& e) {
    return {ffi::ErrorCode::kInternal, e.what()};
  }
}

Op op_of(std::string_view name) {
  for (Op op : {Op::prod, Op::sum, Op::max, Op::min, Op::logaddexp}) {
    if (name == op_name(op)) return op;
  }
  throw std::invalid_argument("[jax] op is none of upsweep's.");
}

std::optional<array> at(const std::vector<array>& arrays, size_t i) {
  return i < arrays.size() ? std::optional(arrays[i]) : std::nullopt;
}

// Operands broadcast, so that what vmap does not map need not be repeated.
array scan_of(const std::vector<array>& arrays, const Shape& shape,
              std::string_view op, int64_t axis, bool reverse, bool inclusive,
              Stream stream) {
  ScanOptions options{.reverse = reverse, .inclusive = inclusive,
                      .stream = stream};
  if (auto reset = at(arrays, 1)) options.reset = broadcast_to(*reset, shape);
  return scan(broadcast_to(arrays[0], shape), op_of(op),
              static_cast<int>(axis), options);
}

array recurrence_of(const std::vector<array>& arrays, const Shape& shape,
                    int64_t axis, bool reverse, bool inclusive, Stream stream) {
  RecurrenceOptions options{.reverse = reverse, .inclusive = inclusive};
  if (auto reset = at(arrays, 2)) options.reset = broadcast_to(*reset, shape);
  return linear_recurrence(broadcast_to(arrays[0], shape), arrays[1],
                           static_cast<int>(axis), options, stream);
}

ffi::Error scan_on_cpu(ffi::RemainingArgs operands, Result result,
                       std::string_view op, int64_t axis, bool reverse,
                       bool inclusive) {
  return run_on_cpu(operands, result, [&](const auto& arrays, Stream stream) {
    return scan_of(arrays, shape_of(*result), op, axis, reverse, inclusive,
                   stream);
  });
}

ffi::Error recurrence_on_cpu(ffi::RemainingArgs operands, Result result,
                             int64_t axis, bool reverse, bool inclusive) {
  return run_on_cpu(operands, result, [&](const auto& arrays, Stream stream) {
    return recurrence_of(arrays, shape_of(*result), axis, reverse, inclusive,
                         stream);
  });
}

}  // namespace
}  // namespace upsweep::xla_handlers

// Found by name, whatever visibility the build gives other symbols.
#pragma GCC visibility push(default)
XLA_FFI_DEFINE_HANDLER_SYMBOL(upsweep_scan_cpu,
                              upsweep::xla_handlers::scan_on_cpu,
                              xla::ffi::Ffi::Bind()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::string_view>("op")
                                  .Attr<int64_t>("axis")
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("inclusive"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(upsweep_recurrence_cpu,
                              upsweep::xla_handlers::recurrence_on_cpu,
                              xla::ffi::Ffi::Bind()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("axis")
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("inclusive"));
#pragma GCC visibility pop
