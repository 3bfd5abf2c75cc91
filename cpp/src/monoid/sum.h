// Sums: narrow floats in double, doubles in Wide, integers modulo 2^k.
#pragma once

#include <algorithm>
#include <complex>
#include <cstdint>

#include "monoid.h"
#include "wide.h"

namespace upsweep {
namespace {

template <class T>
struct Sum;

template <class T>
  requires std::is_integral_v<T> && (!std::is_same_v<T, bool>)
struct Sum<T> {
  static constexpr bool kAssociative = true;
  using Value = T;
  using Prefix = T;

  static Prefix initial() { return 0; }
  UPSWEEP_INLINE static Value value(Prefix r) { return r; }
  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    return r = static_cast<T>(static_cast<uint64_t>(r) +
                              static_cast<uint64_t>(x));
  }
  static void combine(Prefix& r, Prefix aggregate) { advance(r, aggregate); }
};

// A sum that overflows stays infinite, as in a loop in T.
template <class T>
  requires is_real<T>
struct Sum<T> {
  static constexpr bool kAssociative = false;
  static constexpr bool kWide = std::is_same_v<T, double>;
  using Value = T;
  using Prefix = std::conditional_t<kWide, Wide, double>;
  using Aggregate = Prefix;
  struct PrefixRange {
    double low = 0, high = 0;  // of the prefixes
    double special_class = 0;  // the sum of the infinite and NaN elements
  };

  static Prefix initial() { return {}; }
  static Aggregate identity() { return {}; }
  UPSWEEP_INLINE static Value value(const Prefix& r) {
    return narrow<T>(high(r));
  }

  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    accumulate(r, x);
    Value y = value(r);
    if (double rounded = upsweep::widen(y); rounded - rounded != 0) {
      r = {canonical(rounded)};
      y = value(r);
    }
    return y;
  }

  UPSWEEP_INLINE static void accumulate(Aggregate& aggregate, Value x) {
    if constexpr (kWide) {
      // An infinite sum has no low part.
      double hi = aggregate.hi + x;
      if (hi - hi != 0) {
        aggregate = {hi};
      } else {
        Wide sum = two_sum(aggregate.hi, x);
        aggregate = fast_two_sum(sum.hi, sum.lo + aggregate.lo);
      }
    } else {
      aggregate += upsweep::widen(x);
    }
  }
  static void include(PrefixRange& range, const Aggregate& aggregate, Value x) {
    range.low = std::min(range.low, high(aggregate));
    range.high = std::max(range.high, high(aggregate));
    range.special_class += special_class(Aggregate{upsweep::widen(x)});
  }
  static void append_range(PrefixRange& range, const Aggregate& before,
                           const PrefixRange& next) {
    range.low = std::min(range.low, high(before) + next.low);
    range.high = std::max(range.high, high(before) + next.high);
    range.special_class += next.special_class;
  }

  static double special_class(const Aggregate& aggregate) {
    return is_usable(aggregate) ? 0 : high(aggregate);
  }
  static void add_class(PrefixRange& range, double special_class) {
    range.special_class += special_class;
  }
  static Prefix propagate_special(const Prefix& r, double special_class) {
    return {canonical(high(r) + special_class)};
  }

  static bool try_apply(Prefix& r, const Aggregate& aggregate,
                        const PrefixRange& range) {
    if (!is_live(r)) {
      r = propagate_special(r, range.special_class);
      return true;
    }
    if (!is_usable(aggregate)) return false;
    double at = high(r);
    // The bounds of doubles may have overflowed: then this is false.
    if (!(at / 2 + range.low / 2 >= -Limits<T>::max / 4 &&
          at / 2 + range.high / 2 <= Limits<T>::max / 4)) {
      return false;
    }
    r = r + aggregate;
    return true;
  }

  static bool is_live(const Prefix& r) { return high(r) - high(r) == 0; }
  static bool is_usable(const Aggregate& aggregate) {
    return is_live(aggregate);
  }
  static Prefix apply(const Prefix& r, const Aggregate& aggregate) {
    return r + aggregate;
  }
  static void combine(Aggregate& aggregate, const Aggregate& next) {
    aggregate = aggregate + next;
  }

 private:
  static double high(double r) { return r; }
  static double high(const Wide& r) { return r.hi; }
};

// Sums real and imaginary parts separately.
template <>
struct Sum<complex64_t> {
  using Component = Sum<float>;
  static constexpr bool kAssociative = false;
  using Value = complex64_t;
  struct Prefix {
    double re = 0, im = 0;
  };
  using Aggregate = Prefix;
  struct PrefixRange {
    Component::PrefixRange re, im;
  };

  static Prefix initial() { return {}; }
  static Aggregate identity() { return {}; }
  UPSWEEP_INLINE static Value value(const Prefix& r) {
    return {Component::value(r.re), Component::value(r.im)};
  }
  UPSWEEP_INLINE static Value advance(Prefix& r, Value x) {
    return {advance(r.re, x.real()), advance(r.im, x.imag())};
  }
  UPSWEEP_INLINE static void accumulate(Aggregate& aggregate, Value x) {
    Component::accumulate(aggregate.re, x.real());
    Component::accumulate(aggregate.im, x.imag());
  }
  static void include(PrefixRange& range, const Aggregate& aggregate, Value x) {
    Component::include(range.re, aggregate.re, x.real());
    Component::include(range.im, aggregate.im, x.imag());
  }
  static void append_range(PrefixRange& range, const Aggregate& before,
                           const PrefixRange& next) {
    Component::append_range(range.re, before.re, next.re);
    Component::append_range(range.im, before.im, next.im);
  }
  static bool try_apply(Prefix& r, const Aggregate& aggregate,
                        const PrefixRange& range) {
    // If one part is saturated, a scan carries the other step by step.
    return is_live(r) && Component::try_apply(r.re, aggregate.re, range.re) &&
           Component::try_apply(r.im, aggregate.im, range.im);
  }
  static bool is_live(const Prefix& r) {
    return Component::is_live(r.re) && Component::is_live(r.im);
  }
  static bool is_usable(const Aggregate& aggregate) {
    return is_live(aggregate);
  }
  static Prefix apply(const Prefix& r, const Aggregate& aggregate) {
    return {r.re + aggregate.re, r.im + aggregate.im};
  }
  static void combine(Aggregate& aggregate, const Aggregate& next) {
    aggregate = apply(aggregate, next);
  }

 private:
  // A part that is infinite or NaN changes with special elements only, and does
  // not wait for rounding.
  UPSWEEP_INLINE static float advance(double& r, float x) {
    bool stays = !Component::is_live(r) && x - x == 0;
    return stays ? Component::value(r) : Component::advance(r, x);
  }
};

}  // namespace
}  // namespace upsweep
