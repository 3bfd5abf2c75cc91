// RecurrenceLanes: the arithmetic of recurrences in packs of doubles, and the
// range in which it is right.
#pragma once

#include "simd_complex.h"

namespace upsweep {
namespace {

// Numbers are checked for kLow every kCheckedRows rows. Between two checks no
// product of a number in the range with elements of the dtype can fall below
// double's range: an element of a narrow dtype is 0 or at least 2^-149, and a
// sum that cancels has still 2^-53 of its terms. A number that has overflowed
// stays infinite or NaN, whatever follows, so that is checked at the end.
//
// A stripe's factor that falls below the range is taken as 0 where its sum is
// at least kNotable, because it does not count next to that for numbers up to
// kOrdinary.
template <class T>
struct RecurrenceRange {
  static constexpr int kCheckedRows = 4;
  static constexpr double kLow = 0x1p-200, kHigh = 0x1p500;
  static constexpr double kNotable = 0x1p-90, kOrdinary = 0x1p40;
};
// Of float64 elements, those below kLowFactor leave the range, too.
template <>
struct RecurrenceRange<double> {
  static constexpr int kCheckedRows = 1;
  static constexpr double kLow = 0x1p-900, kHigh = 0x1p900;
  static constexpr double kNotable = 0x1p-500, kOrdinary = 0x1p300;
  static constexpr double kLowFactor = 0x1p-100;
};

template <class T>
struct RecurrenceLanes {
  static constexpr bool kComplex = std::is_same_v<T, complex64_t>;
  using Scalar = std::conditional_t<kComplex, float, T>;
  using Unit = Bits<std::conditional_t<kComplex, uint64_t, T>>;  // an element
  using Range = RecurrenceRange<T>;
  static constexpr int kParts = kComplex ? 2 : 1;
  static constexpr int n = kLanes<Unit>;
  static constexpr int kSize = kPack<Scalar>;  // doubles of a pack
  static constexpr int kPacks = n * kParts / kSize;
  using Doubles = Pack<double, kSize>;
  using Mask = typename Doubles::Mask;

  UPSWEEP_INLINE static Doubles load(const char* row) {
    if constexpr (std::is_same_v<T, double>) {
      return Doubles::load(row);
    } else {
      return load_widened<Scalar>(reinterpret_cast<const Bits<Scalar>*>(row));
    }
  }
  UPSWEEP_INLINE static void store(char* row, const Doubles& h) {
    if constexpr (std::is_same_v<T, double>) {
      h.store(row);
    } else {
      bits_of<Scalar>(narrow(h)).store(row);
    }
  }

  static Doubles one() {
    double values[kSize];
    for (int i = 0; i < kSize; ++i) values[i] = i % kParts == 0;
    return Doubles::load(values);
  }

  // a · h + c.
  UPSWEEP_INLINE static Doubles multiply_add(const Doubles& a, const Doubles& h,
                                             const Doubles& c) {
    if constexpr (kComplex) {
      auto real = flip_pairs<0>(a), imaginary = flip_pairs<1>(a);
      return multiply_add_real(
          real, h,
          multiply_add_real(negate_real(imaginary), flip_pairs<-1>(h), c));
    } else {
      return multiply_add_real(a, h, c);
    }
  }
  // The same of one number.
  UPSWEEP_INLINE static void multiply_add(const double* a, double* h,
                                          const double* c) {
    if constexpr (kComplex) {
      double real = a[0] * h[0] - a[1] * h[1] + c[0];
      h[1] = a[0] * h[1] + a[1] * h[0] + c[1];
      h[0] = real;
    } else if constexpr (std::is_same_v<T, double>) {
      *h = __builtin_fma(*a, *h, *c);
    } else {
      *h = *a * *h + *c;
    }
  }

  // The magnitudes, of a complex number that of its larger part.
  UPSWEEP_INLINE static Doubles magnitude(const Doubles& h) {
    auto m = abs(h);
    if constexpr (kComplex) m = larger_part(m);
    return m;
  }
  static double magnitude(const double* h) {
    double m = std::abs(h[0]);
    if constexpr (kComplex) {
      if (!(m >= std::abs(h[1]))) m = std::abs(h[1]);
      if (h[0] != h[0]) m = h[0];
    }
    return m;
  }

  // Whether a number other than 0 has a magnitude below a limit.
  UPSWEEP_INLINE static Mask is_low(const Doubles& m, double limit) {
    return (m < Doubles::all(limit)) & (m != Doubles::all(0));
  }
  UPSWEEP_INLINE static Mask in_range(const Doubles& m) {
    return (Doubles::all(Range::kHigh) >= m) &
           ((m >= Doubles::all(Range::kLow)) | (m == Doubles::all(0)));
  }
  static bool is_within(double m, double high) {
    return m <= high && (m >= Range::kLow || m == 0);
  }

  // Whether there are elements that take a number out of the range at once.
  static constexpr bool kHasLowElements = std::is_same_v<T, double>;

 private:
  UPSWEEP_INLINE static Doubles multiply_add_real(const Doubles& a,
                                                  const Doubles& h,
                                                  const Doubles& c) {
    if constexpr (std::is_same_v<T, double>) {
      return fma(a, h, c);
    } else {
      return upsweep::multiply_add(a, h, c);
    }
  }
};

}  // namespace
}  // namespace upsweep
