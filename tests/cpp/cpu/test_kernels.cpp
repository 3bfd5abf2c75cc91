// Kernels on single tiles, for every instruction set that the machine has: the
// carry that a summary predicts must be the carry that a scan finds, to the
// bit, for every (op, dtype) and any width and layout.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../operators.h"
#include "cpu/isa.h"
#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

struct alignas(64) Line {
  char bytes[64];
};
using Memory = std::vector<Line>;
Memory make_memory(size_t nbytes) { return Memory(nbytes / 64 + 1); }

const Dtype kDtypes[] = {bool_,    uint8,   uint16,  uint32,   uint64,
                         int8,     int16,   int32,   int64,    float16,
                         bfloat16, float32, float64, complex64};

// Values near 1, of all signs. Every third seed has special values and
// extremes, too, and the next one large steps, whose products of a stripe may
// be out of the range where those of the line are not.
array make_values(int64_t n, Dtype dtype, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> near(0.8, 1.25);
  const double special[] = {0,     -0.0, HUGE_VAL, -HUGE_VAL, NAN,
                            1e-42, 3e38, -1e30,    1e-30,     65504};
  const double step = dtype == float64 ? 1e90 : dtype == float16 ? 16 : 1e9;
  std::vector<double> values(static_cast<size_t>(n));
  for (double& x : values) {
    x = random() % 8 ? near(random) : -near(random);
    if (seed % 3 == 1 && random() % 256 == 0) x = special[random() % 10];
    if (seed % 3 == 2 && random() % 16 == 0)
      x *= random() % 2 ? step : 1 / step;
  }
  return astype(array(values.data(), {n}), dtype);
}

// Scans two tiles of a panel and compares the carries behind each.
int check(const Isa& isa, Op op, Dtype dtype, int64_t width, int64_t length,
          bool lines, bool reverse, unsigned seed) {
  const Kernel& kernel = isa.kernel(op, dtype);
  auto itemsize = static_cast<int64_t>(dtype.size());
  array in = make_values(width * length * 2, dtype, seed);
  Memory out = make_memory(static_cast<size_t>(width * length * 2 * itemsize));
  Memory scanned = make_memory(kernel.carry_size(width)), predicted;
  Memory summary = make_memory(kernel.summary_size(width, length));
  int64_t step = lines ? 1 : width, lane = lines ? length * 2 : 1;
  int64_t start = 0;
  if (reverse) {
    start = (2 * length - 1) * step;
    step = -step;
  }
  kernel.init_carry(scanned.data(), width);
  int predictions = 0;
  for (int64_t t = 0; t < 2; ++t) {
    int64_t offset = (start + t * length * step) * itemsize;
    Tile tile{static_cast<const char*>(in.raw_data()) + offset,
              reinterpret_cast<char*>(out.data()) + offset,
              length,
              width,
              step,
              lane,
              step,
              lane,
              0,
              false,
              kernel.key_mask};
    predicted = scanned;
    kernel.reduce(tile, summary.data(), true);
    bool known =
        kernel.try_apply_summary(predicted.data(), summary.data(), width);
    // The summary that is not bounded must lead to the same carry.
    kernel.reduce(tile, summary.data(), false);
    kernel.scan(tile, scanned.data(), summary.data(), true);
    if (known) {
      ++predictions;
      REQUIRE(std::memcmp(predicted.data(), scanned.data(),
                          kernel.carry_size(width)) == 0);
    }
  }
  return predictions;
}

// The results of a tile of one line that leaves the range and would come back,
// past the cache or in it.
Memory results_of_exit(const Isa& isa, Op op, Dtype dtype, int64_t in_step,
                       bool streaming) {
  constexpr int64_t kLength = 5000;
  const Kernel& kernel = isa.kernel(op, dtype);
  const double large = dtype == float64 ? 1e200 : dtype == float16 ? 6e4 : 3e38;
  const bool is_product = op == Op::prod;
  const double back = is_product ? 1 / large : -large;
  std::vector<double> values(kLength * std::abs(in_step), is_product);
  auto at = [&](int64_t i) -> double& {
    auto place = static_cast<size_t>((in_step < 0 ? kLength - 1 - i : i) *
                                     std::abs(in_step));
    return values[place];
  };
  for (int64_t first : {70, 3000}) {
    for (int64_t i = 0; i < 4; ++i) at(first + i) = i < 2 ? large : back;
  }
  array in = astype(array(values.data(), {static_cast<int64_t>(values.size())}),
                    dtype);
  auto itemsize = static_cast<int64_t>(dtype.size());
  int64_t offset = in_step < 0 ? (kLength - 1) * itemsize : 0;
  Memory out = make_memory(static_cast<size_t>(kLength * itemsize));
  Memory carry = make_memory(kernel.carry_size(1));
  kernel.init_carry(carry.data(), 1);
  Tile tile{static_cast<const char*>(in.raw_data()) + offset,
            out.data(),
            kLength,
            1,
            in_step,
            0,
            1,
            0,
            0,
            streaming,
            kernel.key_mask};
  kernel.scan(tile, carry.data(), nullptr, true);
  return out;
}

bool have_same_bytes(const Memory& a, const Memory& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(Line)) == 0;
}

// Where the results of a scan go: past the cache or in it.
struct Scanned {
  Memory out, carry;
  bool operator==(const Scanned& other) const {
    return have_same_bytes(out, other.out) &&
           have_same_bytes(carry, other.carry);
  }
};

// A tile of columns, some of which leave the range.
Scanned scan_columns(const Isa& isa, Op op, Dtype dtype, int64_t width,
                     bool streaming) {
  constexpr int64_t kLength = 1500;
  const Kernel& kernel = isa.kernel(op, dtype);
  array in = make_values(width * kLength, dtype, 2);
  Scanned to{make_memory(width * kLength * dtype.size()),
             make_memory(kernel.carry_size(width))};
  Memory summary = make_memory(kernel.summary_size(width, kLength));
  kernel.init_carry(to.carry.data(), width);
  Tile tile{
      in.raw_data(), to.out.data(),  kLength, width, width, 1, width, 1, 0,
      streaming,     kernel.key_mask};
  bool summarised = kernel.needs_summary(width);
  if (summarised) kernel.reduce(tile, summary.data(), false);
  kernel.scan(tile, to.carry.data(), summarised ? summary.data() : nullptr,
              true);
  return to;
}

// Slabs of 5 rows, one lane for each or several in a lane.
Scanned scan_slabs(const Isa& isa, Op op, Dtype dtype, int64_t width,
                   int64_t per_lane, bool streaming) {
  constexpr int64_t kLength = 5;
  const Kernel& kernel = isa.kernel(op, dtype);
  int64_t lanes = lanes_for(static_cast<int64_t>(dtype.size()));
  int64_t slabs = per_lane * lanes - per_lane;  // a lane has none
  int64_t lines = per_lane * lanes * width;
  array in = make_values(slabs * kLength * width, dtype, 2);
  Scanned to{make_memory(slabs * kLength * width * dtype.size()),
             make_memory(kernel.carry_size(lines))};
  kernel.init_carry(to.carry.data(), lines);
  SlabTile tile{in.raw_data(),  to.out.data(),   slabs, per_lane,  kLength,
                width,          kLength * width, false, streaming, 0,
                kernel.key_mask};
  kernel.scan_slabs(tile, to.carry.data(), true);
  return to;
}

// Many lines of a few elements, which all start with the identity.
Memory scan_short_lines(const Isa& isa, Op op, Dtype dtype, int64_t length,
                        bool reverse, bool streaming, bool starts_alike) {
  constexpr int64_t kPerLane = 8;
  const Kernel& kernel = isa.kernel(op, dtype);
  int64_t lanes = lanes_for(static_cast<int64_t>(dtype.size()));
  int64_t slabs = kPerLane * lanes - 3;
  array in = make_values(slabs * length, dtype, 2);
  Memory out = make_memory(slabs * length * dtype.size());
  Memory carry = make_memory(kernel.carry_size(kPerLane * lanes));
  kernel.init_carry(carry.data(), kPerLane * lanes);
  SlabTile tile{in.raw_data(), out.data(), slabs,           kPerLane,
                length,        1,          length,          reverse,
                streaming,     0,          kernel.key_mask, starts_alike};
  kernel.scan_slabs(tile, carry.data(), !reverse);
  return out;
}

}  // namespace

TEST_CASE("a predicted carry has the bits of a scanned one") {
  for (const Isa& isa : isas()) {
    if (!isa.supported()) continue;
    int predictions = 0;
    for (Op op : kOperators) {
      for (Dtype dtype : kDtypes) {
        if (result_dtype(op, dtype) != dtype) continue;
        for (int64_t width : {1, 2, 16, 37}) {
          for (unsigned seed = 0; seed < 12; ++seed) {
            CAPTURE(std::string(isa.name));
            CAPTURE(std::string(scan_name(op)));
            CAPTURE(std::string(dtype.name()));
            CAPTURE(width);
            CAPTURE(seed);
            int64_t length = width == 1 ? 1 + seed * 173 : 1 + seed * 7;
            predictions += check(isa, op, dtype, width, length, seed % 2,
                                 seed % 4 > 1, seed);
          }
        }
      }
    }
    CHECK(predictions > 2000);  // most tiles are far from the limits
  }
}

TEST_CASE("results past the cache are those in it") {
  for (const Isa& isa : isas()) {
    if (!isa.supported()) continue;
    for (Op op : {Op::prod, Op::sum}) {
      for (Dtype dtype : {float16, bfloat16, float32, float64}) {
        Memory expected = results_of_exit(isa, op, dtype, 1, false);
        for (int64_t in_step : {1, -1, 2}) {
          CAPTURE(std::string(isa.name));
          CAPTURE(std::string(scan_name(op)));
          CAPTURE(std::string(dtype.name()));
          CAPTURE(in_step);
          Memory found = results_of_exit(isa, op, dtype, in_step, true);
          CHECK(std::memcmp(found.data(), expected.data(),
                            5000 * dtype.size()) == 0);
        }
      }
    }
  }
}

TEST_CASE("columns and slabs past the cache are those in it") {
  for (const Isa& isa : isas()) {
    if (!isa.supported()) continue;
    for (Op op : kOperators) {
      for (Dtype dtype : kDtypes) {
        if (result_dtype(op, dtype) != dtype) continue;
        CAPTURE(std::string(isa.name));
        CAPTURE(std::string(scan_name(op)));
        CAPTURE(std::string(dtype.name()));
        // Fewer than a register, a register, and groups that overlap.
        for (int64_t width : {2, 3, 7, 16, 37, 64}) {
          CAPTURE(width);
          CHECK(scan_columns(isa, op, dtype, width, true) ==
                scan_columns(isa, op, dtype, width, false));
        }
        for (int64_t width : {1, 3}) {
          for (int64_t per_lane : {1, 4}) {
            CAPTURE(width);
            CAPTURE(per_lane);
            CHECK(scan_slabs(isa, op, dtype, width, per_lane, true) ==
                  scan_slabs(isa, op, dtype, width, per_lane, false));
          }
        }
        for (int64_t length : {2, 3, 4}) {
          for (bool reverse : {false, true}) {
            CAPTURE(length);
            Memory alike =
                scan_short_lines(isa, op, dtype, length, reverse, false, true);
            CHECK(have_same_bytes(
                alike,
                scan_short_lines(isa, op, dtype, length, reverse, true, true)));
            CHECK(have_same_bytes(
                alike, scan_short_lines(isa, op, dtype, length, reverse, false,
                                        false)));
          }
        }
      }
    }
  }
}
