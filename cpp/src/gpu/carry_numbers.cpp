// Converts between carries, which hold doubles, and pairs of floats.
#include "carry_numbers.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "../../../metal/carry_number.h"
#include "../host/carries.h"
#include "../host/pool.h"

namespace upsweep {

namespace {

using Number = CarryRecord::Number;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLog4 = 1.3862943611198906;
constexpr double kLog4Low = 4.638093628255206e-17;  // log(4) - kLog4
// The exponent of the larger part of a complex product.
constexpr int kLift = 30;
// A product that gets so far has left the range.
constexpr int64_t kFarExponent = (1 << 30) - 1;

// A number as two floats.
struct Pair {
  float high;
  float low;
};
Pair pair(double x, double low) {
  auto high = static_cast<float>(x);
  return {high, static_cast<float>((x - high) + low)};
}

CarryNumber make(double re, double re_low, double im, double im_low,
                 int exponent) {
  Pair real = pair(re, re_low), imaginary = pair(im, im_low);
  return {real.high, real.low, imaginary.high, imaginary.low, exponent, 0, {}};
}

CarryNumber special(double re, double im) {
  return {static_cast<float>(re), 0, static_cast<float>(im), 0, 0, 0, {}};
}

// Scales the number so that the larger part has the exponent `lift`.
CarryNumber normalized(const Number& n, int lift) {
  double larger = std::max(std::abs(n.re), std::abs(n.im));
  if (larger == 0 || !std::isfinite(n.re) || !std::isfinite(n.im)) {
    return special(n.re, n.im);
  }
  int shift = std::ilogb(larger) - lift;
  auto scaled = [&](double x) { return std::ldexp(x, -shift); };
  int64_t exponent =
      std::clamp(n.exponent, -kFarExponent, kFarExponent) + shift;
  exponent = std::clamp(exponent, -kFarExponent, kFarExponent);
  return make(scaled(n.re), scaled(n.re_low), scaled(n.im), scaled(n.im_low),
              static_cast<int>(exponent));
}

// A part of a sum. What is below the dtype's least number is zero.
CarryNumber sum_part(Dtype dtype, double sum, double low) {
  int least = dtype == float16 ? -24 : -149;
  if (std::abs(sum) < std::ldexp(1, least)) sum = low = 0;
  return normalized({sum, low, 0, 0, 0, 0}, 0);
}

// e^scale = 4^power · factor.
CarryNumber logarithm(const Number& n) {
  if (n.scale == -kInfinity) return {};
  if (!std::isfinite(n.scale)) return special(n.scale, 0);
  double power = std::rint(n.scale / kLog4);
  // Beyond 2^23 a float has no place for the rest.
  double factor = 1;
  if (std::abs(power) < 0x1p23) {
    factor = std::exp(std::fma(-power, kLog4, n.scale) - power * kLog4Low);
  }
  CarryNumber number = make(n.re * factor, 0, n.im * factor, 0, 0);
  number.scale = static_cast<float>(power);
  return number;
}

Number to_number(Op op, const CarryNumber& n) {
  double re = double{n.re} + n.re_low, im = double{n.im} + n.im_low;
  if (op == Op::logaddexp) {
    // The kernels have no sum for an infinity or NaN, and 0 for no elements.
    if (!std::isfinite(re)) return {0, 0, 0, 0, 0, re};
    if (re == 0 && im == 0) return {0, 0, 0, 0, 0, -kInfinity};
    return {re, 0, im, 0, 0, n.scale * kLog4};
  }
  return {std::ldexp(re, n.exponent), 0, std::ldexp(im, n.exponent), 0, 0, 0};
}

// What a line's elements in a chunk amount to. Of a complex sum, each part is a
// line of its own.
class ChunkRecords {
 public:
  ChunkRecords(Op op, Dtype dtype)
      : op_(op),
        is_real_product_(op == Op::prod && dtype != complex64),
        is_complex_product_(op == Op::prod && dtype == complex64),
        has_parts_(op == Op::sum && dtype == complex64),
        is_element_(!has_carry_numbers(op, dtype)),
        methods_(carry_methods(op, dtype)) {}

  const CarryMethods& methods() const { return methods_; }
  int64_t parts() const { return has_parts_ ? 2 : 1; }

  CarryRecord record(const ChunkCarry* chunk) const {
    CarryRecord record = methods_.identity();
    if (is_element_) {
      methods_.append_element(record, chunk->total.element);
      return record;
    }
    record.total = number(chunk, &ChunkCarry::total);
    for (int64_t i = 0; i < parts(); ++i) set_range(record, i, chunk[i]);
    return record;
  }

  // The prefix after the last chunk.
  Number prefix(const ChunkCarry* chunk) const {
    return number(chunk, &ChunkCarry::prefix);
  }
  bool has_prefix() const { return !is_element_; }

 private:
  Number number(const ChunkCarry* chunk,
                CarryNumber ChunkCarry::* which) const {
    const CarryNumber& n = chunk->*which;
    if (is_real_product_) return {n.re, n.re_low, 0, 0, n.exponent, 0};
    Number number = to_number(op_, n);
    if (has_parts_) number.im = to_number(op_, chunk[1].*which).re;
    return number;
  }

  void set_range(CarryRecord& record, int64_t i,
                 const ChunkCarry& chunk) const {
    record.low[i] = chunk.low;
    record.high[i] = chunk.high;
    record.special[i] = chunk.special;
    if (is_complex_product_) {
      record.low[i] = std::ldexp(1., static_cast<int>(chunk.low));
      record.high[i] = std::ldexp(1., static_cast<int>(chunk.high) + 1);
    }
  }

  Op op_;
  bool is_real_product_;
  bool is_complex_product_;
  bool has_parts_;
  bool is_element_;
  const CarryMethods& methods_;
};

// Chunks of a line that are appended to each other before the line's record:
// always the same ones, so that the bits do not depend on threads.
constexpr int64_t kPiece = 256;

// An estimate of what it costs to append or convert a carry, in elements.
constexpr int64_t kAppendCost = 64;

}  // namespace

bool has_carry_numbers(Op op, Dtype dtype) {
  bool is_number = !dtype.is_integer() && dtype != bool_;
  return is_number && (op == Op::prod || op == Op::sum || op == Op::logaddexp);
}

size_t carry_number_bytes(Op op, Dtype dtype) {
  if (!has_carry_numbers(op, dtype)) return dtype.size();
  bool in_parts = op == Op::sum && dtype == complex64;
  return (in_parts ? 2 : 1) * sizeof(CarryNumber);
}

void write_carry_numbers(Op op, Dtype dtype, const CarryRecord* from,
                         Number CarryRecord::* which, size_t count, void* to) {
  const CarryMethods& methods = carry_methods(op, dtype);
  size_t bytes = carry_number_bytes(op, dtype);
  auto write = [&](const CarryRecord& record, char* at) {
    const Number& n = record.*which;
    auto* out = reinterpret_cast<CarryNumber*>(at);
    if (!has_carry_numbers(op, dtype)) {
      methods.store_value(record, at);
    } else if (op == Op::logaddexp) {
      *out = logarithm(n);
    } else if (op == Op::prod) {
      *out = normalized(n, dtype == complex64 ? kLift : 0);
    } else {
      *out = sum_part(dtype, n.re, n.re_low);
      if (dtype == complex64) out[1] = sum_part(dtype, n.im, n.im_low);
    }
  };
  auto write_some = [&](int64_t first, int64_t last) {
    for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last);
         ++i) {
      write(from[i], static_cast<char*>(to) + i * bytes);
    }
  };
  for_ranges(static_cast<int64_t>(count), write_some, kAppendCost);
}

bool fold_chunk_carries(const CarryWork& work, const void* from, int64_t chunks,
                        bool have_prefixes) {
  const ChunkRecords records(work.op, work.dtype);
  const CarryMethods& methods = records.methods();
  auto* all = static_cast<const ChunkCarry*>(from);
  auto* out = static_cast<CarryRecord*>(work.out->data());
  int64_t lines = work.plan.lines();
  auto chunk = [&](int64_t line, int64_t c) {
    return all + (c * lines + line) * records.parts();
  };
  int64_t pieces = (chunks + kPiece - 1) / kPiece;
  std::vector<CarryRecord> of_pieces(static_cast<size_t>(lines * pieces));
  auto fold = [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      int64_t line = i / pieces, begin = i % pieces * kPiece;
      CarryRecord& record = of_pieces[static_cast<size_t>(i)];
      record = records.record(chunk(line, begin));
      for (int64_t c = begin + 1; c < std::min(begin + kPiece, chunks); ++c) {
        record.decided = 0;  // no one needs the prefix
        methods.append(record, records.record(chunk(line, c)));
      }
    }
  };
  for_ranges(lines * pieces, fold, kAppendCost * std::min(chunks, kPiece));
  std::atomic<bool> all_decided = true;
  auto finish = [&](int64_t first, int64_t last) {
    for (int64_t line = first; line < last; ++line) {
      CarryRecord& record = out[line];
      record = first_record(work.initial, work.op, work.dtype, line);
      for (int64_t p = 0; p < pieces; ++p) {
        if (have_prefixes) record.decided = 0;
        methods.append(record,
                       of_pieces[static_cast<size_t>(line * pieces + p)]);
      }
      if (have_prefixes) {
        if (records.has_prefix()) {
          record.prefix = records.prefix(chunk(line, chunks - 1));
        }
        record.decided = 1;
      } else if (!record.decided) {
        all_decided = false;
      }
    }
  };
  for_ranges(lines, finish, kAppendCost * pieces);
  return all_decided;
}

}  // namespace upsweep
