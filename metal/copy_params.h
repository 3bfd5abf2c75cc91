// The parameters of the copy kernels (copy.h). Device and host share this file,
// and both assert the layout.
#pragma once

#ifndef __METAL_VERSION__
#include <cstdint>
#endif

namespace upsweep {

// What an element is, in the order of Dtype::Val.
enum : uint32_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64,
  kComplex64,
};

// Elements of a thread, and of a launch at most: indices have 31 bits.
enum : uint32_t { kCopyItems = 4, kMaxCopyElements = 1u << 31 };
// Axes of two elements or more in a launch: so many elements have no more.
enum : uint32_t { kMaxCopyAxes = 31 };

// The step is in elements and of any sign; zero repeats an element. Unless the
// axis is the last one, index / extent is (index · multiplier >> 32) >> shift.
struct CopyAxis {
  int64_t step;
  uint32_t extent;
  uint32_t multiplier;
  uint32_t shift;
};

// The elements of the result are next to each other.
struct CopyParams {
  int64_t in_start;
  int64_t out_start;
  uint64_t nan_as;              // the bits of what replaces NaN
  CopyAxis axis[kMaxCopyAxes];  // innermost first
  uint32_t axes;                // at least one
  uint32_t count;               // of elements, at least one
  uint32_t in_size;             // bytes of an element
  uint32_t out_size;
  uint32_t from;
  uint32_t to;
  uint32_t quiets;  // whether a signalling NaN becomes a quiet one
  uint32_t replaces_nan;
};

static_assert(sizeof(CopyAxis) == 24, "layout of CopyAxis");
static_assert(sizeof(CopyParams) == 56 + 24 * kMaxCopyAxes,
              "layout of CopyParams");

}  // namespace upsweep
