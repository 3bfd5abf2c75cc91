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
  static constexpr bool kExact = true;
  using Value = T;
  using Running = T;

  static Running start() { return 0; }
  static Value value(Running r) { return r; }
  static Value advance(Running& r, Value x) {
    return r = static_cast<T>(static_cast<uint64_t>(r) +
                              static_cast<uint64_t>(x));
  }
  static void combine(Running& r, Running total) { advance(r, total); }
};

// A sum that leaves the range stays infinite, as in a loop in T.
template <class T>
  requires is_real<T>
struct Sum<T> {
  static constexpr bool kExact = false;
  static constexpr bool kWide = std::is_same_v<T, double>;
  using Value = T;
  using Running = std::conditional_t<kWide, Wide, double>;
  using Total = Running;
  struct Range {
    double low = 0, high = 0;  // of the prefixes
    double kind = 0;           // the sum of what is infinite or NaN
  };

  static Running start() { return {}; }
  static Total none() { return {}; }
  static Value value(const Running& r) { return narrow<T>(high(r)); }

  static Value advance(Running& r, Value x) {
    fold(r, x);
    Value y = value(r);
    if (double rounded = upsweep::widen(y); rounded - rounded != 0) {
      r = {canonical(rounded)};
      y = value(r);
    }
    return y;
  }

  static void fold(Total& total, Value x) {
    if constexpr (kWide) {
      // An infinite sum has no low part.
      double hi = total.hi + x;
      if (hi - hi != 0) {
        total = {hi};
      } else {
        Wide sum = two_sum(total.hi, x);
        total = fast_two_sum(sum.hi, sum.lo + total.lo);
      }
    } else {
      total += upsweep::widen(x);
    }
  }
  static void widen(Range& range, const Total& total, Value x) {
    range.low = std::min(range.low, high(total));
    range.high = std::max(range.high, high(total));
    range.kind += kind(Total{upsweep::widen(x)});
  }
  static void extend(Range& range, const Total& before, const Range& next) {
    range.low = std::min(range.low, high(before) + next.low);
    range.high = std::max(range.high, high(before) + next.high);
    range.kind += next.kind;
  }

  static double kind(const Total& total) {
    return usable(total) ? 0 : high(total);
  }
  static void mark(Range& range, double kind) { range.kind += kind; }
  static Running follow(const Running& r, double kind) {
    return {canonical(high(r) + kind)};
  }

  static bool predict(Running& r, const Total& total, const Range& range) {
    if (!is_alive(r)) {
      r = follow(r, range.kind);
      return true;
    }
    if (!usable(total)) return false;
    double at = high(r);
    // For doubles the bounds themselves may have overflowed: then they fail.
    if (!(at / 2 + range.low / 2 >= -Limits<T>::max / 4 &&
          at / 2 + range.high / 2 <= Limits<T>::max / 4)) {
      return false;
    }
    r = r + total;
    return true;
  }

  static bool is_alive(const Running& r) { return high(r) - high(r) == 0; }
  static bool usable(const Total& total) { return is_alive(total); }
  static Running apply(const Running& r, const Total& total) {
    return r + total;
  }
  static void append(Total& total, const Total& next) { total = total + next; }

 private:
  static double high(double r) { return r; }
  static double high(const Wide& r) { return r.hi; }
};

// Real and imaginary part on their own.
template <>
struct Sum<complex64_t> {
  using Part = Sum<float>;
  static constexpr bool kExact = false;
  using Value = complex64_t;
  struct Running {
    double re = 0, im = 0;
  };
  using Total = Running;
  struct Range {
    Part::Range re, im;
  };

  static Running start() { return {}; }
  static Total none() { return {}; }
  static Value value(const Running& r) {
    return {Part::value(r.re), Part::value(r.im)};
  }
  static Value advance(Running& r, Value x) {
    return {Part::advance(r.re, x.real()), Part::advance(r.im, x.imag())};
  }
  static void fold(Total& total, Value x) {
    Part::fold(total.re, x.real());
    Part::fold(total.im, x.imag());
  }
  static void widen(Range& range, const Total& total, Value x) {
    Part::widen(range.re, total.re, x.real());
    Part::widen(range.im, total.im, x.imag());
  }
  static bool predict(Running& r, const Total& total, const Range& range) {
    // Where one part is dead, a scan carries the other one step by step.
    return is_alive(r) && Part::predict(r.re, total.re, range.re) &&
           Part::predict(r.im, total.im, range.im);
  }
  static bool is_alive(const Running& r) {
    return Part::is_alive(r.re) && Part::is_alive(r.im);
  }
  static bool usable(const Total& total) { return is_alive(total); }
  static Running apply(const Running& r, const Total& total) {
    return {r.re + total.re, r.im + total.im};
  }
  static void append(Total& total, const Total& next) {
    total = apply(total, next);
  }
};

}  // namespace
}  // namespace upsweep
