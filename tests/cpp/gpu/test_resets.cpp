// Scans with resets on a GPU, if there is one, against the scans of each
// segment by the CPU, where both are exact.
#include <doctest/doctest.h>

#include <random>

#include "array_access.h"
#include "gpu/passes.h"
#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

struct Case {
  Op op;
  Dtype dtype;
  Dtype computed;
};

const Case cases[] = {
#define UPSWEEP_RESETS(op, dtype, computed) {Op::op, dtype, computed},
#include "../../../metal/kernels.def"
#undef UPSWEEP_RESETS
};

struct Options {
  int axis;
  bool reverse;
  bool inclusive;
};

array plain_scan(Op op, const array& a, const Options& o) {
  using Scan = array (*)(const array&, int, bool, bool, StreamOrDevice);
#define UPSWEEP_SCAN(op, scan, result) static_cast<Scan>(scan),
  static const Scan scans[] = {UPSWEEP_OPERATORS(UPSWEEP_SCAN)};
#undef UPSWEEP_SCAN
  return scans[static_cast<int>(op)](a, o.axis, o.reverse, o.inclusive,
                                     Device(DeviceType::cpu));
}

array scan_with_resets(Op op, const array& a, const array& reset,
                       const Options& o, Stream stream) {
  Backend& on = backend(stream);
  StoragePtr out = on.allocate(stream.device, a.nbytes());
  array result = make_array(out, a.shape(), a.dtype());
  on.scan(stream, {.op = op,
                   .dtype = a.dtype(),
                   .plan = make_plan(a.shape(), a.strides(), o.axis, o.reverse),
                   .inclusive = o.inclusive,
                   .in_offset = a.offset(),
                   .in = storage_of(a),
                   .out = out,
                   .reset = storage_of(reset)});
  return result;
}

bool are_same(Op op, const array& a, const array& b) {
  if (op != Op::logaddexp) return array_equal(a, b).item<bool>();
  double tolerance = a.dtype() == bfloat16 ? 0.02 : 2e-3;
  return allclose(a, b, tolerance, tolerance).item<bool>();
}

// Elements of which all products and sums within a segment are exact.
array make_elements(Op op, Dtype dtype, const Shape& shape, std::mt19937& r) {
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  std::vector<float> values(static_cast<size_t>(size));
  const float factors[] = {1, -1, 1, 1};
  for (float& v : values) {
    v = op == Op::prod ? factors[r() % 4] : static_cast<float>(r() % 3);
  }
  return astype(array(values.data(), shape), dtype);
}

// Checks one line of an array with two axes.
bool check_line(Op op, const array& a, const array& y, const uint8_t* reset,
                int64_t line, const Options& o) {
  int64_t n = a.shape(o.axis), step = o.axis == 1 ? 1 : a.shape(1);
  const uint8_t* flags = reset + line * (o.axis == 1 ? n : 1);
  auto flag = [&](int64_t k) {
    return flags[(o.reverse ? n - 1 - k : k) * step];
  };
  auto part = [&](const array& whole, int64_t first, int64_t last) {
    int64_t begin = o.reverse ? n - last : first;
    if (o.axis == 1) {
      return slice(whole, {line, begin}, {1, 1}, {1, last - first});
    }
    return slice(whole, {begin, line}, {1, 1}, {last - first, 1});
  };
  for (int64_t first = 0; first < n;) {
    int64_t last = first + 1;
    while (last < n && !flag(last)) ++last;
    if (!are_same(op, part(y, first, last),
                  plain_scan(op, part(a, first, last), o))) {
      return false;
    }
    first = last;
  }
  return true;
}

void check(const Case& c, const Shape& shape, const Options& o, Stream stream) {
  std::mt19937 random(static_cast<unsigned>(shape[0] + o.axis));
  array a = make_elements(c.op, c.dtype, shape, random);
  std::vector<uint8_t> flags(static_cast<size_t>(a.size()));
  for (uint8_t& f : flags) f = random() % 100 == 0;
  array reset(flags.data(), shape);
  array y = scan_with_resets(c.op, a, reset, o, stream);
  for (int64_t line = 0; line < shape[1 - static_cast<size_t>(o.axis)];
       ++line) {
    CHECK(check_line(c.op, a, y, flags.data(), line, o));
  }
}

}  // namespace

TEST_CASE("a dtype for scans with resets is its own such dtype") {
  for (const Case& c : cases) {
    CHECK(reset_dtype(c.op, c.dtype) == c.computed);
    CHECK(reset_dtype(c.op, c.computed) == c.computed);
    const KernelSet& with = reset_kernel_set(c.op, c.computed);
    const KernelSet& without = kernel_set(c.op, c.computed);
    CHECK(with.name == std::string("resets_") + without.name);
    CHECK(with.has_resets);
    CHECK(!without.has_resets);
  }
}

TEST_CASE("resets need more room between passes") {
  const Tuning tuning{8, [](uint32_t) { return 2u; }, 6, false};
  ScanWork work{Op::sum, float32, make_plan({1000000}, {1}, 0, false), true, 0,
                nullptr, nullptr};
  auto bytes = [&](const KernelSet& kernels) {
    return make_passes(work, kernels, tuning)[0].aggregate_bytes();
  };
  size_t without = bytes(kernel_set(Op::sum, float32));
  size_t with = bytes(reset_kernel_set(Op::sum, float32));
  CHECK(with * kAggregateBytes ==
        without * (size_t{kAggregateBytes} + kResetBytes));
}

TEST_CASE("segments on the GPU are scans of their own") {
  if (!is_available(DeviceType::gpu)) return;
  Stream stream = to_stream(Device(DeviceType::gpu));
  for (const Case& c : cases) {
    CAPTURE(scan_name(c.op));
    CAPTURE(c.dtype.name());
    for (bool reverse : {false, true}) {
      for (bool inclusive : {false, true}) {
        check(c, {3, 700}, {1, reverse, inclusive}, stream);
        check(c, {700, 3}, {0, reverse, inclusive}, stream);
      }
    }
    check(c, {1, 40000}, {1, false, true}, stream);
    check(c, {0, 1}, {0, false, true}, stream);
  }
}
