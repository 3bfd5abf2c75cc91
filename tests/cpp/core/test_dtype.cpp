// Conversions of the 16-bit floats, over all of their values.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "core/half.h"

using namespace upsweep;

namespace {

// All finite values from zero up must survive a round trip, and the midpoint of
// two neighbours must round to the even one.
template <class T>
void check_rounding(uint16_t infinity) {
  for (uint16_t bits = 0; bits < infinity; ++bits) {
    T here, next;
    here.bits = bits;
    next.bits = static_cast<uint16_t>(bits + 1);
    double x = widen(here);
    REQUIRE(narrow<T>(x).bits == bits);
    REQUIRE(narrow<T>(-x).bits == (bits | 0x8000));
    // Beyond the largest number, the threshold is where the next one would be.
    double above =
        next.bits == infinity ? std::ldexp(1, std::ilogb(x) + 1) : widen(next);
    double middle = x + (above - x) / 2;
    REQUIRE(narrow<T>(middle).bits == (bits & 1 ? next.bits : bits));
    REQUIRE(narrow<T>(std::nextafter(middle, 0)).bits == bits);
    REQUIRE(narrow<T>(std::nextafter(middle, INFINITY)).bits == next.bits);
  }
  REQUIRE(narrow<T>(INFINITY).bits == infinity);
  REQUIRE(narrow<T>(1e300).bits == infinity);
  REQUIRE(std::isnan(widen(narrow<T>(NAN))));
}

}  // namespace

TEST_CASE("float16 rounds to nearest, ties to even") {
  check_rounding<float16_t>(0x7c00);
  CHECK(static_cast<float>(float16_t(0.333251953125)) == 0.333251953125f);
}

TEST_CASE("bfloat16 rounds to nearest, ties to even") {
  check_rounding<bfloat16_t>(0x7f80);
}

TEST_CASE("promotion follows the table") {
  CHECK(promote_types(bool_, int8) == int8);
  CHECK(promote_types(uint8, int8) == int16);
  CHECK(promote_types(uint32, int32) == int64);
  CHECK(promote_types(int64, float16) == float16);
  CHECK(promote_types(float16, bfloat16) == float32);
  CHECK(promote_types(float32, float64) == float64);
  CHECK(promote_types(float64, complex64) == complex64);
}
