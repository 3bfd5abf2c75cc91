// Wide: an unevaluated sum of two floats, about 48 bits of precision. The error
// terms are exact only without contraction and fast math, and only if they are
// not subnormal: callers must keep arguments large enough.
//
// Two-sum and two-product are Knuth's and Dekker's (Dekker 1971); the rest
// follows Joldes, Muller and Popescu, "Tight and rigorous error bounds for
// basic building blocks of double-word arithmetic" (2017).
#pragma once

namespace upsweep {

struct Wide {
  float hi;
  float lo;
};

// a + b exactly, for |a| >= |b| or a == 0.
METAL_FUNC Wide fast_two_sum(float a, float b) {
  float hi = a + b;
  return {hi, b - (hi - a)};
}

// a + b exactly.
METAL_FUNC Wide two_sum(float a, float b) {
  float hi = a + b;
  float b_virtual = hi - a;
  return {hi, (a - (hi - b_virtual)) + (b - b_virtual)};
}

// a · b exactly.
METAL_FUNC Wide two_product(float a, float b) {
  float hi = a * b;
  return {hi, fma(a, b, -hi)};
}

METAL_FUNC Wide add(Wide a, float b) {
  Wide sum = two_sum(a.hi, b);
  return fast_two_sum(sum.hi, a.lo + sum.lo);
}

METAL_FUNC Wide add(Wide a, Wide b) {
  Wide high = two_sum(a.hi, b.hi);
  Wide low = two_sum(a.lo, b.lo);
  high = fast_two_sum(high.hi, high.lo + low.hi);
  return fast_two_sum(high.hi, high.lo + low.lo);
}

METAL_FUNC Wide multiply(Wide a, Wide b) {
  Wide product = two_product(a.hi, b.hi);
  float low = fma(a.hi, b.lo, fma(a.lo, b.hi, product.lo));
  return fast_two_sum(product.hi, low);
}

METAL_FUNC Wide multiply(Wide a, float b) {
  Wide product = two_product(a.hi, b);
  return fast_two_sum(product.hi, fma(a.lo, b, product.lo));
}

// a · factor for a power of two.
METAL_FUNC Wide scale(Wide a, float factor) {
  return {a.hi * factor, a.lo * factor};
}

// Rounds to odd: to a itself if it is a float, else to the neighbour with an
// odd last bit. Rounding that to a shorter format gives the same as rounding a
// once.
METAL_FUNC float round_to_odd(Wide a) {
  Wide sum = fast_two_sum(a.hi, a.lo);
  uint bits = as_type<uint>(sum.hi);
  if (sum.lo == 0 || (bits & 1) != 0) return sum.hi;
  bool below = (sum.lo < 0) == (sum.hi < 0);
  return as_type<float>(below ? bits + 1 : bits - 1);
}

// The bits of a · 2^exponent as a float32, for a normalised a.
METAL_FUNC uint join_bits(Wide a, int exponent) {
  int beyond = a.lo == 0 ? 0 : (a.lo < 0) == (a.hi < 0) ? 1 : -1;
  return join_bits(a.hi, exponent, beyond);
}

}  // namespace upsweep
