// Floating-point formats as integers. Apple GPUs flush subnormal 32-bit numbers
// in arithmetic, so integer operations split numbers and join them, and device
// memory holds them as integers of their size.
#pragma once

namespace upsweep {

// Kinds of special numbers; a combination of numbers collects their kinds.
constant constexpr uint kZero = 1;
constant constexpr uint kInfinite = 2;
constant constexpr uint kNaN = 4;

constant constexpr uint kSignBit = 0x80000000u;
constant constexpr uint kFractionBits = 0x007fffffu;
constant constexpr uint kInfinityBits = 0x7f800000u;
constant constexpr uint kNaNBits = 0x7fc00000u;
constant constexpr uint kOneBits = 0x3f800000u;

// 2^exponent, which must be a normal number.
METAL_FUNC float power_of_two(int exponent) {
  return as_type<float>(uint(exponent + 127) << 23);
}

// x · 2^exponent. Both must be normal numbers, and x not zero.
METAL_FUNC float scaled(float x, int exponent) {
  return as_type<float>(as_type<uint>(x) + (uint(exponent) << 23));
}

// The exponent of a normal number.
METAL_FUNC int exponent_of(float x) {
  return int((as_type<uint>(x) >> 23) & 255) - 127;
}

// mantissa · 2^exponent, with the magnitude of the mantissa in [1, 2). A
// special number has a mantissa of 1 with its sign, and the exponent 0.
struct Number {
  float mantissa;
  int exponent;
  uint special;
};

// The number that has the given bits as a float32.
METAL_FUNC Number split(uint bits) {
  uint field = (bits >> 23) & 255;
  uint fraction = bits & kFractionBits;
  uint sign_and_one = (bits & kSignBit) | kOneBits;
  if (field - 1 < 254) {
    return {as_type<float>(sign_and_one | fraction), int(field) - 127, 0};
  }
  if (field != 0 || fraction == 0) {
    uint special = field == 0 ? kZero : fraction == 0 ? kInfinite : kNaN;
    return {as_type<float>(sign_and_one), 0, special};
  }
  uint shift = clz(fraction) - 8;
  fraction = (fraction << shift) & kFractionBits;
  return {as_type<float>(sign_and_one | fraction), -126 - int(shift), 0};
}

// The bits of x · 2^exponent as a float32, for a normal x or zero. `beyond`
// says whether x was rounded, by less than a unit: down if it is 1, up if it is
// -1.
METAL_FUNC uint join_bits(float x, int exponent, int beyond) {
  uint bits = as_type<uint>(x);
  uint sign = bits & kSignBit;
  if ((bits & ~kSignBit) == 0) return sign;
  int field = int((bits >> 23) & 255) + exponent;
  if (uint(field - 1) < 254) return bits + (uint(exponent) << 23);
  if (field > 0) return sign | kInfinityBits;
  // A subnormal number is a count of 2^-149, rounded to nearest, ties to even.
  uint shift = uint(1 - field);
  if (shift > 24) return sign;
  uint mantissa = (bits & kFractionBits) | (kFractionBits + 1);
  uint count = mantissa >> shift;
  uint rest = mantissa & ((1u << shift) - 1);
  uint half_way = 1u << (shift - 1);
  bool up = beyond == 0 ? (count & 1) != 0 : beyond > 0;
  count += uint(rest > half_way || (rest == half_way && up));
  return sign | count;
}
METAL_FUNC uint join_bits(float x, int exponent) {
  return join_bits(x, exponent, 0);
}

METAL_FUNC uint special_bits(uint special, uint sign) {
  if ((special & kNaN) != 0 || special == (kZero | kInfinite)) return kNaNBits;
  return sign | (special == kInfinite ? kInfinityBits : 0);
}

// A format F: conversions of its numbers to and from the bits of a float32.
// narrow rounds to nearest, ties to even; rounded does the same for anything
// but NaN. All numbers of a format have exponents between kLowest and kHighest,
// and so do products that round neither to zero nor to infinity.
struct Float32 {
  using Value = uint;
  static constant constexpr uint kMagnitude = 0x7fffffff;
  static constant constexpr uint kInfinity = 0x7f800000;
  static constant constexpr int kLowest = -149;
  static constant constexpr int kHighest = 127;
  static METAL_FUNC uint widen(Value x) { return x; }
  static METAL_FUNC Value rounded(uint bits) { return bits; }
  static METAL_FUNC Value narrow(uint bits) { return bits; }
};

struct Bfloat16 {
  using Value = ushort;
  static constant constexpr uint kMagnitude = 0x7fff;
  static constant constexpr uint kInfinity = 0x7f80;
  static constant constexpr int kLowest = -133;
  static constant constexpr int kHighest = 127;
  static METAL_FUNC uint widen(Value x) { return uint(x) << 16; }
  static METAL_FUNC Value rounded(uint bits) {
    return Value((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
  static METAL_FUNC Value narrow(uint bits) {
    bool is_nan = (bits & ~kSignBit) > kInfinityBits;
    return is_nan ? Value(kNaNBits >> 16) : rounded(bits);
  }
};

// GPUs do not flush in arithmetic or conversions of float16, and every float16
// is normal as a float32.
struct Float16 {
  using Value = ushort;
  static constant constexpr uint kMagnitude = 0x7fff;
  static constant constexpr uint kInfinity = 0x7c00;
  static constant constexpr int kLowest = -24;
  static constant constexpr int kHighest = 15;
  static METAL_FUNC uint widen(Value x) {
    return as_type<uint>(float(as_type<half>(x)));
  }
  static METAL_FUNC Value rounded(uint bits) {
    return as_type<ushort>(half(as_type<float>(bits)));
  }
  static METAL_FUNC Value narrow(uint bits) {
    return (bits & ~kSignBit) > kInfinityBits ? Value(0x7e00) : rounded(bits);
  }
};

}  // namespace upsweep
