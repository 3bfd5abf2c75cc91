// Moves values between the threads of a simdgroup. Metal's functions take no
// 64-bit integers; lanes without a source keep their own value.
#pragma once

namespace upsweep {

METAL_FUNC uint shuffle_up(uint x, ushort delta) {
  return simd_shuffle_up(x, delta);
}
METAL_FUNC int shuffle_up(int x, ushort delta) {
  return simd_shuffle_up(x, delta);
}
METAL_FUNC float shuffle_up(float x, ushort delta) {
  return simd_shuffle_up(x, delta);
}
METAL_FUNC uint2 shuffle_up(uint2 x, ushort delta) {
  return simd_shuffle_up(x, delta);
}
METAL_FUNC ulong shuffle_up(ulong x, ushort delta) {
  return as_type<ulong>(simd_shuffle_up(as_type<uint2>(x), delta));
}
METAL_FUNC Wide shuffle_up(Wide x, ushort delta) {
  return {shuffle_up(x.hi, delta), shuffle_up(x.lo, delta)};
}

}  // namespace upsweep
