// Conversions between dtypes, with the same bits as on the CPU
// (cpp/src/host/copy.cpp). They use integers: Apple's GPUs have no float64 and
// flush subnormal numbers. An element is in the low bits of a 64-bit word.
#pragma once

namespace upsweep {

// magnitude · 2^exponent with a sign, or what `special` says. The magnitude of
// a NaN is its fraction, from the highest bit on.
struct Quantity {
  ulong magnitude;
  int exponent;
  uint special;  // 0, kInfinite or kNaN
  bool is_negative;
};

METAL_FUNC bool is_zero(Quantity x) {
  return x.magnitude == 0 && x.special == 0;
}

METAL_FUNC uint leading_zeros(ulong x) {
  uint high = uint(x >> 32);
  return high != 0 ? clz(high) : 32 + clz(uint(x));
}

METAL_FUNC Quantity decode_unsigned(ulong bits) { return {bits, 0, 0, false}; }

METAL_FUNC Quantity decode_signed(ulong bits, uint size) {
  ulong sign = ulong(1) << (8 * size - 1);
  bool is_negative = (bits & sign) != 0;
  ulong extended = (bits ^ sign) - sign;
  return {is_negative ? 0 - extended : extended, 0, 0, is_negative};
}

// An integer's value modulo any power of two.
METAL_FUNC ulong encode_wrapped(Quantity x) {
  return x.is_negative ? 0 - x.magnitude : x.magnitude;
}

// A float's value without its fraction; out of range, the nearest integer that
// the dtype has.
METAL_FUNC ulong encode_saturated(Quantity x, bool is_signed, uint size) {
  if (x.special == kNaN || (x.is_negative && !is_signed)) return 0;
  ulong most = ~ulong(0) >> (64 - 8 * size);
  if (is_signed) most = (most >> 1) + ulong(x.is_negative);
  int left = x.exponent;
  bool is_too_large = x.special == kInfinite ||
                      (left > 0 && uint(left) > leading_zeros(x.magnitude));
  ulong whole = is_too_large ? most
                : left >= 0  ? x.magnitude << left
                : left > -64 ? x.magnitude >> -left
                             : 0;
  whole = min(whole, most);
  return x.is_negative ? 0 - whole : whole;
}

// A floating-point format; of its fields, the sign takes the highest bit.
template <uint fraction_bits, uint exponent_bits>
struct FloatFormat {
  static constant constexpr uint kTop = (1u << exponent_bits) - 1;
  static constant constexpr int kBias = (1 << (exponent_bits - 1)) - 1;
  static constant constexpr int kUnit = kBias + int(fraction_bits);
  static constant constexpr ulong kOne = ulong(1) << fraction_bits;
  static constant constexpr bool kHasPayloads = fraction_bits > 10;

  static METAL_FUNC Quantity decode(ulong bits) {
    bool is_negative = (bits >> (fraction_bits + exponent_bits) & 1) != 0;
    uint field = uint(bits >> fraction_bits) & kTop;
    ulong fraction = bits & (kOne - 1);
    if (field == kTop) {
      uint special = fraction == 0 ? kInfinite : kNaN;
      return {fraction << (64 - fraction_bits), 0, special, is_negative};
    }
    if (field == 0) return {fraction, 1 - kUnit, 0, is_negative};
    return {fraction | kOne, int(field) - kUnit, 0, is_negative};
  }

  // Rounds to nearest, ties to even.
  static METAL_FUNC ulong encode(Quantity x, bool quiets) {
    ulong sign = ulong(x.is_negative) << (fraction_bits + exponent_bits);
    ulong infinity = ulong(kTop) << fraction_bits;
    if (x.special == kInfinite) return sign | infinity;
    if (x.special == kNaN) {
      ulong payload = kHasPayloads ? x.magnitude >> (64 - fraction_bits) : 0;
      return sign | infinity | payload | (quiets ? kOne >> 1 : 0);
    }
    if (x.magnitude == 0) return sign;
    // The highest bit becomes that of 2^(field - bias).
    uint shift = leading_zeros(x.magnitude);
    ulong magnitude = x.magnitude << shift;
    int field = x.exponent + 63 - int(shift) + kBias;
    if (field >= int(kTop)) return sign | infinity;
    uint dropped = 63 - fraction_bits;
    if (field <= 0) dropped += uint(1 - field);
    if (dropped > 64) return sign;
    ulong kept = dropped == 64 ? 0 : magnitude >> dropped;
    ulong rest = magnitude << (64 - dropped);
    ulong half_way = ulong(1) << 63;
    kept += ulong(rest > half_way || (rest == half_way && (kept & 1) != 0));
    // What carries out of the fraction belongs to the exponent.
    return sign | (kept + (field > 0 ? ulong(field - 1) << fraction_bits : 0));
  }
};

using Format16 = FloatFormat<10, 5>;
using FormatBrain = FloatFormat<7, 8>;
using Format32 = FloatFormat<23, 8>;
using Format64 = FloatFormat<52, 11>;

// The real part of a complex number.
METAL_FUNC Quantity decode(ulong bits, uint from) {
  switch (from) {
    case kBool:
      return decode_unsigned(ulong(bits != 0));
    case kInt8:
      return decode_signed(bits, 1);
    case kInt16:
      return decode_signed(bits, 2);
    case kInt32:
      return decode_signed(bits, 4);
    case kInt64:
      return decode_signed(bits, 8);
    case kFloat16:
      return Format16::decode(bits);
    case kBfloat16:
      return FormatBrain::decode(bits);
    case kFloat32:
    case kComplex64:
      return Format32::decode(bits);
    case kFloat64:
      return Format64::decode(bits);
    default:
      return decode_unsigned(bits);
  }
}

METAL_FUNC ulong encode_integer(Quantity x, constant CopyParams& params) {
  if (params.from < kFloat16) return encode_wrapped(x);
  return encode_saturated(x, params.to >= kInt8, params.out_size);
}

METAL_FUNC ulong encode(Quantity x, constant CopyParams& params) {
  bool quiets = params.quiets != 0;
  switch (params.to) {
    case kBool:
      return ulong(!is_zero(x));
    case kFloat16:
      return Format16::encode(x, quiets);
    case kBfloat16:
      return FormatBrain::encode(x, quiets);
    case kFloat32:
    case kComplex64:
      return Format32::encode(x, quiets);
    case kFloat64:
      return Format64::encode(x, quiets);
    default:
      return encode_integer(x, params);
  }
}

// What a copy does to an element: a conversion, or nothing but to replace NaN.

struct Bits {
  static METAL_FUNC ulong convert(ulong bits, constant CopyParams& params) {
    if (params.replaces_nan == 0) return bits;
    bool is_nan = decode(bits, params.from).special == kNaN;
    if (params.from == kComplex64) {
      is_nan = is_nan || decode(bits >> 32, kFloat32).special == kNaN;
    }
    return is_nan ? params.nan_as : bits;
  }
};

struct Numbers {
  static METAL_FUNC ulong convert(ulong bits, constant CopyParams& params) {
    Quantity x = decode(bits, params.from);
    if (params.from == kComplex64 && params.to == kBool && is_zero(x)) {
      x = decode(bits >> 32, kFloat32);  // the imaginary part
    }
    return encode(x, params);
  }
};

}  // namespace upsweep
