// Wide: an unevaluated sum of two floats, about 48 bits of precision. The error
// terms are exact only without contraction and fast math, and only where they
// are no subnormal numbers: whoever uses these keeps their arguments large
// enough.
//
// Two-sum and two-product are Knuth's and Dekker's (Dekker 1971); the rest
// follows Joldes, Muller and Popescu, "Tight and rigorous error bounds for
// basic building batches of double-word arithmetic" (2017).
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
  float part = hi - a;
  return {hi, (a - (hi - part)) + (b - part)};
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

// Rounded to a float, such that rounding once more to a shorter format comes to
// the same as rounding only once: where a is no float, to its neighbour with an
// odd last place.
METAL_FUNC float round_to_odd(Wide a) {
  Wide sum = fast_two_sum(a.hi, a.lo);
  uint bits = as_type<uint>(sum.hi);
  if (sum.lo == 0 || (bits & 1) != 0) return sum.hi;
  bool below = (sum.lo < 0) == (sum.hi < 0);
  return as_type<float>(below ? bits + 1 : bits - 1);
}

}  // namespace upsweep
