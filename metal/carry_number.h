// What a carry holds, as the host gives it to the kernels, and what they give
// the host for one. Shared by device and host.
#pragma once

#ifndef __METAL_VERSION__
#include <cstdint>
#endif

namespace upsweep {

// (re + re_low + i (im + im_low)) · 2^exponent. The larger of re and im is in
// [1, 2], for complex products in [2^30, 2^31], unless both are zero. If one is
// infinite or NaN, the exponent is 0, and re and im are the value. Of a
// logaddexp it is the sum of exponentials, with a power of 4^scale instead of
// 2^exponent; infinite or NaN if the logarithm is.
struct CarryNumber {
  float re;
  float re_low;
  float im;
  float im_low;
  int32_t exponent;
  float scale;
  // The element, if the carries of a monoid are elements; all else is 0 then.
  uint32_t element[2];
};

static_assert(sizeof(CarryNumber) == 32, "layout of CarryNumber");

// What a line's elements in one chunk amount to.
struct ChunkCarry {
  CarryNumber total;
  CarryNumber prefix;  // after the chunk, if that is the last one
  // Bounds of what the elements make of 1, or of 0 for sums, on the way: of
  // products the exponents, of sums the values.
  float low;
  float high;
  // What the elements do to a product or sum that has left the range: the
  // product or sum of zeros, infinities, NaN and signs. Of complex products it
  // is 0 if an element is zero or not finite, else 1.
  float special;
  uint32_t unused;
};

static_assert(sizeof(ChunkCarry) == 80, "layout of ChunkCarry");

}  // namespace upsweep
