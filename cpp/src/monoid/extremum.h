// Maximum and minimum: exact. NaN propagates, of equal elements the first one
// stays, and complex numbers are ordered by real, then by imaginary part.
#pragma once

#include <complex>
#include <limits>

#include "monoid.h"

namespace upsweep {
namespace {

template <class T, bool maximum>
struct Extremum {
  static constexpr bool kExact = true;
  using Value = T;
  using Running = T;

  static Running start() {
    if constexpr (std::is_same_v<T, complex64_t>) {
      float worst = static_cast<float>(maximum ? -kInfinity : kInfinity);
      return {worst, worst};
    } else if constexpr (is_real<T>) {
      return narrow<T>(maximum ? -kInfinity : kInfinity);
    } else {
      return maximum ? std::numeric_limits<T>::lowest()
                     : std::numeric_limits<T>::max();
    }
  }
  static Value value(Running r) { return r; }

  static Value advance(Running& r, Value x) {
    if (is_nan(r)) return r;
    if (is_nan(x)) return r = not_a_number();
    if (maximum ? less(r, x) : less(x, r)) r = x;
    return r;
  }
  static void combine(Running& r, Running total) { advance(r, total); }

 private:
  static bool is_nan(T x) {
    if constexpr (std::is_same_v<T, complex64_t>) {
      return x.real() != x.real() || x.imag() != x.imag();
    } else if constexpr (is_real<T>) {
      return widen(x) != widen(x);
    } else {
      return false;
    }
  }
  static T not_a_number() {
    if constexpr (std::is_same_v<T, complex64_t>) {
      return {static_cast<float>(kNaN), static_cast<float>(kNaN)};
    } else if constexpr (is_real<T>) {
      return narrow<T>(kNaN);
    } else {
      return T{};  // integers have none, and is_nan never asks for it
    }
  }
  static bool less(T a, T b) {
    if constexpr (std::is_same_v<T, complex64_t>) {
      return a.real() < b.real() ||
             (a.real() == b.real() && a.imag() < b.imag());
    } else if constexpr (is_real<T>) {
      return widen(a) < widen(b);
    } else {
      return a < b;
    }
  }
};

}  // namespace
}  // namespace upsweep
