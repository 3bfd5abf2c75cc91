// Checks initial values and resets, and lays them out for the backends.
#include "options.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "array_access.h"
#include "carry_access.h"
#include "core/shape.h"
#include "host/carries.h"
#include "host/elementwise.h"
#include "result.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

[[noreturn]] void wrong(const char* name, const std::string& what) {
  throw std::invalid_argument(std::string("[") + name + "] " + what);
}

// Whether every value of one kind is a value of the other.
bool converts(Dtype from, Dtype to) {
  auto rank = [](Dtype dtype) {
    if (dtype == bool_) return 0;
    if (dtype.is_integer()) return 1;
    return dtype == complex64 ? 3 : 2;
  };
  return rank(from) <= rank(to);
}

Initial from_array(const char* name, const array& value, Dtype dtype,
                   const Shape& lines, Stream stream) {
  bool per_line = value.ndim() != 0;
  if (per_line && value.shape() != lines) {
    wrong(name, "initial has shape " + to_string(value.shape()) +
                    "; it must be a scalar or have shape " + to_string(lines) +
                    ", that of the array without the axis.");
  }
  if (!converts(value.dtype(), dtype)) {
    throw TypeError(std::string("[") + name + "] initial is " +
                    value.dtype().name() + ", but the scan computes in " +
                    dtype.name() + "; choose another with dtype.");
  }
  array own = contiguous(astype(value, dtype, stream), stream);
  return {Initial::Kind::element, per_line, own.offset(), storage_of(own)};
}

Initial from_carry(const char* name, const Carry& carry, Op op, Dtype dtype,
                   bool reverse, const Shape& lines, CarryPart part) {
  if (carry.op() != op) {
    wrong(name, std::string("initial is a carry of ") + op_name(carry.op()) +
                    ", not of " + op_name(op) + ".");
  }
  if (carry.dtype() != dtype) {
    wrong(name, std::string("initial is a carry of ") + carry.dtype().name() +
                    ", but the scan computes in " + dtype.name() + ".");
  }
  if (carry.reverse() != reverse) {
    wrong(name,
          "initial is a carry of the other direction; give both calls "
          "the same reverse.");
  }
  if (carry.shape() != lines) {
    wrong(name, "initial is a carry of lines of shape " +
                    to_string(carry.shape()) + ", not " + to_string(lines) +
                    ".");
  }
  const StoragePtr& storage = CarryAccess::storage(carry);
  // Records that are still being computed come from elements.
  if (part == CarryPart::prefix && storage->ready().is_ready() &&
      !carry.is_decided()) {
    wrong(name,
          "initial is undecided: a result may have left the range of "
          "the dtype on the way, which only the elements can tell. Use "
          "carry(a, op, initial=...) instead of then().");
  }
  return {Initial::Kind::carry, true, 0, storage};
}

// The shape of the flags and the index of the first element's flag.
struct Flags {
  Shape shape;
  int64_t first;
};
Flags flags_of(const Shape& shape, int axis, const ScanOptions& options) {
  Flags flags{shape, 0};
  if (options.include_initial) {
    auto along = static_cast<size_t>(axis);
    ++flags.shape[along];
    if (!options.reverse) flags.first = contiguous_strides(flags.shape)[along];
  }
  return flags;
}

void check_mask(const char* name, const array& mask, const Shape& shape) {
  if (mask.shape() != shape) {
    wrong(name, "reset has shape " + to_string(mask.shape()) +
                    "; a mask must have that of the array, " +
                    to_string(shape) + ".");
  }
}

StoragePtr from_mask(const char* name, const array& mask, const Shape& shape,
                     int axis, const ScanOptions& options, Stream stream) {
  check_mask(name, mask, shape);
  if (!options.include_initial) {
    // Kernels for GPUs take any byte but 0 for a reset, and get whole storages.
    bool as_it_is = stream.device.type == DeviceType::gpu &&
                    mask.is_contiguous() &&
                    storage_of(mask)->nbytes() == mask.nbytes();
    return storage_of(as_it_is ? mask : astype(mask, uint8, stream));
  }
  Flags flags = flags_of(shape, axis, options);
  array padded = make_result(name, flags.shape, uint8, stream);
  StoragePtr in = storage_of(mask), out = storage_of(padded);
  auto axes = merge_axes(shape, mask.strides(), padded.strides());
  auto fill = [=, offset = mask.offset()] {
    auto* to = static_cast<uint8_t*>(out->data());
    auto* from = static_cast<const uint8_t*>(in->data()) + offset;
    std::memset(to, 0, out->nbytes());
    for_each_run(axes, [&](const Run& run) {
      for (int64_t i = 0; i < run.count; ++i) {
        to[flags.first + run.out + i * run.out_step] =
            from[run.in + i * run.in_step] != 0;
      }
      return true;
    });
  };
  backend(stream).run_on_host(stream, {fill, {in}, out, padded.size()});
  return out;
}

StoragePtr from_offsets(const char* name, const array& offsets,
                        const Shape& shape, const ScanOptions& options,
                        Stream stream) {
  if (shape.size() != 1) {
    wrong(name,
          "reset holds offsets, which only an array of one axis can "
          "have; give a bool_ mask instead.");
  }
  if (offsets.ndim() != 1) {
    wrong(name,
          "reset must be a bool_ mask or a sequence of offsets, not an "
          "integer array of shape " +
              to_string(offsets.shape()) + ".");
  }
  array starts = contiguous(astype(offsets, int64, stream), stream);
  starts.wait();
  const int64_t* at = starts.data<int64_t>();
  Flags flags = flags_of(shape, 0, options);
  std::vector<uint8_t> bytes(static_cast<size_t>(flags.shape[0]));
  int64_t before = 0, n = shape[0];
  for (int64_t i = 0; i < starts.size(); ++i) {
    if (at[i] < before || at[i] > n) {
      wrong(name, "reset has the offset " + std::to_string(at[i]) +
                      " at position " + std::to_string(i) +
                      "; offsets must not decrease and lie between 0 and " +
                      std::to_string(n) + ".");
    }
    before = at[i];
    // Backwards, a segment starts at its last element.
    int64_t element = options.reverse ? at[i] - 1 : at[i];
    if (element >= 0 && element < n) {
      bytes[static_cast<size_t>(flags.first + element)] = 1;
    }
  }
  return storage_of(array(bytes.data(), flags.shape));
}

}  // namespace

Initial make_initial(const char* name, const InitialValue& initial, Op op,
                     Dtype dtype, bool reverse, const Shape& lines,
                     Stream stream, CarryPart part) {
  if (auto* value = std::get_if<array>(&initial)) {
    return from_array(name, *value, dtype, lines, stream);
  }
  if (auto* carry = std::get_if<Carry>(&initial)) {
    return from_carry(name, *carry, op, dtype, reverse, lines, part);
  }
  return {};
}

StoragePtr make_reset(const char* name, const std::optional<array>& reset,
                      const Shape& shape, int axis, const ScanOptions& options,
                      Stream stream) {
  if (!reset) return nullptr;
  if (reset->dtype() == bool_) {
    return from_mask(name, *reset, shape, axis, options, stream);
  }
  // An empty list in Python has no integers to tell its dtype.
  if (!reset->dtype().is_integer() && reset->size() != 0) {
    throw TypeError(std::string("[") + name +
                    "] reset must be a bool_ mask or integer offsets, not " +
                    reset->dtype().name() + ".");
  }
  return from_offsets(name, *reset, shape, options, stream);
}

array flatten_reset(const char* name, const array& reset, const Shape& shape,
                    Stream stream) {
  if (reset.dtype() != bool_) return reset;  // offsets are flat already
  check_mask(name, reset, shape);
  return flatten(reset, 0, -1, stream);
}

array replace_nan(const char* name, const array& a, Op op, Dtype computing,
                  Stream stream) {
  Dtype dtype = a.dtype();
  if (dtype == bool_ || dtype.is_integer()) return a;
  // Whatever is not zero becomes true, so infinities will not do.
  if (computing == bool_) op = op == Op::max ? Op::sum : Op::prod;
  const CarryMethods& methods = carry_methods(op, dtype);
  uint64_t identity = 0;
  methods.store_value(methods.identity(), &identity);
  return produce(name, stream, [&] {
    array copy = make_result(name, a.shape(), dtype, stream);
    backend(stream).copy(
        stream, {merge_axes(a.shape(), a.strides(), copy.strides()), dtype,
                 dtype, a.offset(), storage_of(a), storage_of(copy), identity});
    return copy;
  });
}

}  // namespace upsweep
