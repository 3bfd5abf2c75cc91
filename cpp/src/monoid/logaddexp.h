// log(e^x + e^y + …), as a number m near the largest element and the sum of
// e^(element - m), which never overflows. For complex numbers m is the largest
// real part.
#pragma once

#include <complex>

#include "monoid.h"
#include "wide.h"

namespace upsweep {
namespace {

// Neighbouring stripes often have scales that differ by a few such steps.
constexpr double kScaleStep = 32;
constexpr Wide kPowersOfStep[] = {
    // e^-32, e^-64, e^-96
    {0x1.c8464f7616468p-47, 0x1.e299a01244879p-103},
    {0x1.969d47321e4ccp-93, -0x1.5034b5fe3da71p-147},
    {0x1.6a5bea046b42ep-139, -0x1.ff4104303baf0p-198}};

// sum · e^max. Sum is double, Wide, or a complex double. Sums of real numbers
// are from e^-16 to e^32 times the number of elements.
template <class Sum>
struct ScaledSum {
  double max = -kInfinity;
  Sum sum = {};

  // The same from any sum of a real record, with one far from the ends of the
  // range of a double.
  ScaledSum within_range() const {
    double size = Wide{sum}.hi;
    if (max - max != 0 || (size > 0x1p-100 && size < 0x1p100)) return *this;
    if (!(size > 0 && size < kInfinity)) return {kNaN};  // no scan makes it
    int exponent = std::ilogb(size);
    Wide high = Wide{max} + kWideLn2 * Wide{static_cast<double>(exponent)};
    Sum one = scaled(sum, -exponent);
    return {high.hi, one + one * Sum{high.lo}};
  }

  UPSWEEP_INLINE void add(const ScaledSum& other) {
    if (max != max || other.max != other.max) {
      *this = {kNaN};
    } else if (max < other.max) {
      *this = {other.max, other.sum + sum * exponential(max, other.max)};
    } else if (other.max != -kInfinity) {
      sum = sum + other.sum * exponential(other.max, max);
    }
  }

 private:
  static double scaled(double x, int exponent) {
    return std::ldexp(x, exponent);
  }
  static Wide scaled(Wide x, int exponent) {
    return {std::ldexp(x.hi, exponent), std::ldexp(x.lo, exponent)};
  }

  // e^(a - b) for a <= b.
  static auto exponential(double a, double b) {
    using Factor = std::conditional_t<std::is_same_v<Sum, Wide>, Wide, double>;
    if (a == b) return Factor{1};  // infinities too
    if (b - a == kInfinity) return Factor{0};
    Wide difference = two_sum(a, -b);
    double steps = -difference.hi / kScaleStep;
    if (difference.lo == 0 && (steps == 1 || steps == 2 || steps == 3)) {
      const Wide& power = kPowersOfStep[static_cast<int>(steps) - 1];
      if constexpr (std::is_same_v<Factor, Wide>) {
        return power;
      } else {
        return power.hi;
      }
    }
    if constexpr (std::is_same_v<Factor, Wide>) {
      return exp(difference);
    } else {
      return std::exp(difference.hi);
    }
  }
};

template <class T>
struct LogAddExp;

// Narrow dtypes sum in double and float64 in Wide, to stay within 4 ulp after
// any number of additions and rescalings.
template <class T>
  requires is_real<T> || std::is_same_v<T, complex64_t>
struct LogAddExp<T> {
  static constexpr bool kAssociative = false;
  static constexpr bool kComplex = std::is_same_v<T, complex64_t>;
  static constexpr bool kWide = std::is_same_v<T, double>;
  using Value = T;
  using Prefix =
      ScaledSum<std::conditional_t<kComplex, std::complex<double>,
                                   std::conditional_t<kWide, Wide, double>>>;
  using Aggregate = Prefix;
  using PrefixRange = NoPrefixRange;

  static Prefix initial() { return {}; }
  static Aggregate identity() { return {}; }

  UPSWEEP_INLINE static Value value(const Prefix& r) {
    bool finite = r.max - r.max == 0;
    if constexpr (kComplex) {
      using Number = std::complex<double>;
      if (r.max != r.max) return Value(Number(kNaN, kNaN));
      return Value(finite ? r.max + std::log(r.sum) : Number(r.max));
    } else {
      if (!finite) return narrow<T>(r.max);
      if constexpr (kWide) {
        return (Wide{r.max} + log(r.sum)).hi;
      } else {
        return narrow<T>(r.max + std::log(r.sum));
      }
    }
  }

  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    accumulate(r, x);
    return value(r);
  }

  UPSWEEP_INLINE static void accumulate(Aggregate& aggregate, Value x) {
    if constexpr (kComplex) {
      double re = x.real(), im = x.imag();
      bool nan = re != re || im - im != 0;
      aggregate.add(nan ? Prefix{kNaN} : Prefix{re, std::polar(1., im)});
    } else {
      aggregate.add({upsweep::widen(x), {1}});
    }
  }

  // The aggregate of a tile always applies.
  static void include(PrefixRange&, const Aggregate&, Value) {}
  static void append_range(PrefixRange&, const Aggregate&, const PrefixRange&) {
  }
  static bool try_apply(Prefix& r, const Aggregate& aggregate,
                        const PrefixRange&) {
    r.add(aggregate);
    return true;
  }
  static bool is_live(const Prefix&) { return true; }
  static bool is_usable(const Aggregate&) { return true; }
  static Prefix apply(Prefix r, const Aggregate& aggregate) {
    r.add(aggregate);
    return r;
  }
  static void combine(Aggregate& aggregate, const Aggregate& next) {
    aggregate.add(next);
  }
};

}  // namespace
}  // namespace upsweep
