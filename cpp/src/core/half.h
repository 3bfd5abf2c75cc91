// Conversions of float16 and bfloat16 to and from double, in integers, inline
// for the kernels. Nothing here depends on the processor's half instructions.
#pragma once

#include <bit>
#include <cstdint>

#include "upsweep/dtype.h"

namespace upsweep {
namespace {

// A double rounded to a 16-bit format, to nearest, ties to even.
template <int exponent_bits, int mantissa_bits>
inline uint16_t narrow_bits(double value) {
  constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  constexpr int drop = 52 - mantissa_bits;
  constexpr uint64_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  uint64_t bits = std::bit_cast<uint64_t>(value);
  uint64_t sign = (bits >> 48) & 0x8000;
  uint64_t magnitude = bits & ~(uint64_t{1} << 63);
  if (magnitude > uint64_t{0x7ff} << 52) {
    return static_cast<uint16_t>(sign | infinity | infinity >> 1);  // NaN
  }
  if (magnitude >= uint64_t{1023 + bias + 1} << 52) {
    return static_cast<uint16_t>(sign | infinity);
  }
  if (magnitude < uint64_t{1023 - bias + 1} << 52) {
    // Below the smallest normal number: add a power of two whose last place is
    // the format's smallest subnormal, and the low bits are the rounded count
    // of those.
    constexpr double magic = std::bit_cast<double>(
        uint64_t{1023 + 1 - bias - mantissa_bits + 52} << 52);
    double sum = std::bit_cast<double>(magnitude) + magic;
    return static_cast<uint16_t>(
        sign | (std::bit_cast<uint64_t>(sum) - std::bit_cast<uint64_t>(magic)));
  }
  magnitude -= uint64_t{1023 - bias} << 52;
  magnitude += ((uint64_t{1} << (drop - 1)) - 1) + ((magnitude >> drop) & 1);
  return static_cast<uint16_t>(sign | magnitude >> drop);
}

inline double widen(float16_t x) {
  uint64_t sign = static_cast<uint64_t>(x.bits & 0x8000) << 48;
  uint64_t magnitude = x.bits & 0x7fff;
  if (magnitude < 0x400) {
    double value = static_cast<double>(magnitude) * 0x1p-24;
    return std::bit_cast<double>(std::bit_cast<uint64_t>(value) | sign);
  }
  uint64_t rebias = magnitude < 0x7c00 ? 1023 - 15 : 2047 - 31;
  return std::bit_cast<double>(sign | ((magnitude << 42) + (rebias << 52)));
}
inline double widen(bfloat16_t x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}
inline double widen(float x) { return x; }
inline double widen(double x) { return x; }

// The value of type T nearest to x.
template <class T>
inline T narrow(double x) {
  return static_cast<T>(x);
}
template <>
inline float16_t narrow<float16_t>(double x) {
  float16_t y;
  y.bits = narrow_bits<5, 10>(x);
  return y;
}
template <>
inline bfloat16_t narrow<bfloat16_t>(double x) {
  bfloat16_t y;
  y.bits = narrow_bits<8, 7>(x);
  return y;
}

}  // namespace
}  // namespace upsweep
