// Converts the prefixes of carries, which are doubles, to pairs of floats.
#include "carry_numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../../../metal/carry_number.h"
#include "../host/carries.h"

namespace upsweep {

namespace {

using Number = CarryRecord::Number;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLog4 = 1.3862943611198906;
constexpr double kLog4Low = 4.638093628255206e-17;  // log(4) - kLog4
// The exponent of the larger part of a complex product.
constexpr int kLift = 30;
// A product that gets so far has left the range.
constexpr int64_t kFarExponent = 1 << 12;

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
                         size_t count, void* to) {
  if (!has_carry_numbers(op, dtype)) {
    const CarryMethods& methods = carry_methods(op, dtype);
    for (size_t i = 0; i < count; ++i) {
      methods.store_value(from[i], static_cast<char*>(to) + i * dtype.size());
    }
    return;
  }
  auto* out = static_cast<CarryNumber*>(to);
  for (size_t i = 0; i < count; ++i) {
    const Number& n = from[i].prefix;
    if (op == Op::logaddexp) {
      *out++ = logarithm(n);
    } else if (op == Op::prod) {
      *out++ = normalized(n, dtype == complex64 ? kLift : 0);
    } else {
      *out++ = sum_part(dtype, n.re, n.re_low);
      if (dtype == complex64) *out++ = sum_part(dtype, n.im, n.im_low);
    }
  }
}

}  // namespace upsweep
