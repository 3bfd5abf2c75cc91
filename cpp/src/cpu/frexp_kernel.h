// FrexpKernel: the functions that multiply one block of elements, for each
// dtype and instruction set.
#pragma once

#include <cstdint>

#include "upsweep/dtype.h"

namespace upsweep {

constexpr int kFrexpLanes = 16;     // the most
constexpr int64_t kFrexpRows = 64;  // the most
constexpr double kMaxExponent = 0x1p30;

// Lanes are lines, or chunks of one. Steps are in elements.
struct FrexpBlock {
  const void* in;
  void* mantissas;  // nullptr if only the products count
  int32_t* exponents;
  int64_t step, lane;  // along a lane; from lane to lane
  int64_t out_step, out_lane;
  int64_t rows;
  int lanes;
};

// The product of each lane: (hi + lo) · 2^exponent. One that is 0, infinite or
// NaN is hi.
struct FrexpProducts {
  alignas(64) double hi[kFrexpLanes] = {};
  alignas(64) double lo[kFrexpLanes] = {};
  alignas(64) double exponent[kFrexpLanes] = {};
};

struct FrexpKernel {
  int lanes;
  // Multiplies a block onto the products and writes results. Returns the lanes,
  // a bit for each, in which all of them are live: the others are wrong.
  uint32_t (*walk)(const FrexpBlock& block, FrexpProducts& products,
                   bool inclusive);
};

}  // namespace upsweep
