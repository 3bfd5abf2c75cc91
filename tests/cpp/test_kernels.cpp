// Kernels on single tiles: the carry that a summary predicts must be the carry
// that a scan finds, to the bit, for every (op, dtype) and any width.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "cpu/kernels.h"
#include "upsweep/upsweep.h"

using namespace upsweep;

namespace {

using Carry = std::vector<std::max_align_t>;

const Dtype kDtypes[] = {bool_,    uint8,   uint16,  uint32,   uint64,
                         int8,     int16,   int32,   int64,    float16,
                         bfloat16, float32, float64, complex64};
const Op kOps[] = {Op::prod, Op::sum, Op::max, Op::min, Op::logaddexp};

bool exists(Op op, Dtype dtype) {
  bool whole = dtype == bool_ || dtype.is_integer();
  return !(op == Op::sum && dtype == bool_) && !(op == Op::logaddexp && whole);
}

// Values near 1, of all signs; with `wild`, special values and extremes too.
array make_values(int64_t n, Dtype dtype, bool wild, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> near(0.5, 1.9);
  const double special[] = {0,     -0.0, INFINITY, -INFINITY, NAN,
                            1e-42, 3e38, -1e30,    1e-30,     65504};
  std::vector<double> values(static_cast<size_t>(n));
  for (double& x : values) {
    x = random() % 8 ? near(random) : -near(random);
    if (wild && random() % 64 == 0) x = special[random() % 10];
  }
  return astype(array(values.data(), {n}), dtype);
}

}  // namespace

TEST_CASE("a predicted carry has the bits of a scanned one") {
  int predictions = 0;
  for (Op op : kOps) {
    for (Dtype dtype : kDtypes) {
      if (!exists(op, dtype)) continue;
      const Kernel& kernel = baseline_kernel(op, dtype);
      for (int64_t width : {1, 2, 7, 256}) {
        for (unsigned seed = 0; seed < 20; ++seed) {
          CAPTURE(scan_name(op));
          CAPTURE(dtype.name());
          int64_t length = 1 + seed * 5;
          array in =
              make_values(width * length * 2, dtype, seed % 2 == 1, seed);
          std::vector<std::max_align_t> out(
              static_cast<size_t>(width * length));
          Carry scanned(static_cast<size_t>(width) * 4), predicted,
              summary(static_cast<size_t>(width) * 8);
          kernel.start(scanned.data(), width);
          // Two tiles, so that the second enters with a carry of its own.
          for (int64_t t = 0; t < 2; ++t) {
            const char* start =
                static_cast<const char*>(in.raw_data()) +
                t * width * length * static_cast<int64_t>(dtype.size());
            Tile tile{start, out.data(), length, width, width, 1, width};
            predicted = scanned;
            kernel.reduce(tile, summary.data());
            bool known =
                kernel.predict(predicted.data(), summary.data(), width);
            kernel.scan(tile, scanned.data(), true, false);
            predictions += known;
            if (known) {
              REQUIRE(std::memcmp(
                          predicted.data(), scanned.data(),
                          kernel.carry_size * static_cast<size_t>(width)) == 0);
            }
          }
        }
      }
    }
  }
  CHECK(predictions > 2000);  // most tiles are tame
}
