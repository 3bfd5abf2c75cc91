// The number that a carry holds, as the host gives it to the kernels. Shared by
// device and host.
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
  uint32_t unused[2];
};

static_assert(sizeof(CarryNumber) == 32, "layout of CarryNumber");

}  // namespace upsweep
