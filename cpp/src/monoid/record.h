// Conversion between the prefixes, aggregates and ranges of monoids and
// CarryRecord, which is the same for all backends.
#pragma once

#include <complex>

#include "extremum.h"
#include "logaddexp.h"
#include "product.h"
#include "sum.h"
#include "upsweep/carry.h"

namespace upsweep {
namespace {

using Number = CarryRecord::Number;

// Products of narrow floats use the wider monoid of float64 in records: the
// total of many elements may leave the range of a double.
template <class M>
struct RecordMonoid {
  using Type = M;
};
template <class T>
  requires is_real<T>
struct RecordMonoid<Product<T>> {
  using Type = Product<double>;
};

inline Number record_of(double r) { return {r, 0, 0, 0, 0, 0}; }
inline Number record_of(Wide r) { return {r.hi, r.lo, 0, 0, 0, 0}; }
inline Number record_of(const Product<double>::Prefix& r) {
  return {r.mantissa.hi, r.mantissa.lo, 0, 0, r.exponent, 0};
}
inline Number record_of(const Product<complex64_t>::Prefix& r) {
  return {r.re, 0, r.im, 0, 0, 0};
}
inline Number record_of(const Sum<complex64_t>::Prefix& r) {
  return {r.re, 0, r.im, 0, 0, 0};
}
inline Number record_of(const ScaledSum<double>& r) {
  return {r.sum, 0, 0, 0, 0, r.max};
}
inline Number record_of(const ScaledSum<Wide>& r) {
  return {r.sum.hi, r.sum.lo, 0, 0, 0, r.max};
}
inline Number record_of(const ScaledSum<std::complex<double>>& r) {
  return {r.sum.real(), 0, r.sum.imag(), 0, 0, r.max};
}
inline Number record_of(complex64_t r) {
  return {r.real(), 0, r.imag(), 0, 0, 0};
}
inline Number record_of(float r) { return record_of(widen(r)); }
inline Number record_of(float16_t r) { return record_of(widen(r)); }
inline Number record_of(bfloat16_t r) { return record_of(widen(r)); }
template <class T>
  requires std::is_integral_v<T>
Number record_of(T r) {
  return {0, 0, 0, 0, static_cast<int64_t>(r), 0};
}

// Records may come from anywhere, and `then` may double exponents any number of
// times. Sums of some limited ones do not overflow.
inline int64_t limited(int64_t exponent) {
  return std::clamp(exponent, -kMaxCarryExponent, kMaxCarryExponent);
}
inline int64_t limited(double exponent) {
  constexpr auto kMax = static_cast<double>(kMaxCarryExponent);
  if (exponent != exponent) return 0;
  return static_cast<int64_t>(std::clamp(exponent, -kMax, kMax));
}

// The prefix or aggregate of type P.
template <class P>
P from_record(const Number& n) {
  if constexpr (std::is_same_v<P, Product<double>::Prefix>) {
    return {{n.re, n.re_low}, limited(n.exponent)};
  } else if constexpr (std::is_same_v<P, Wide>) {
    return {n.re, n.re_low};
  } else if constexpr (std::is_same_v<P, Product<complex64_t>::Prefix> ||
                       std::is_same_v<P, Sum<complex64_t>::Prefix>) {
    return {n.re, n.im};
  } else if constexpr (std::is_same_v<P, ScaledSum<double>>) {
    return P{n.scale, n.re}.within_range();
  } else if constexpr (std::is_same_v<P, ScaledSum<Wide>>) {
    return P{n.scale, {n.re, n.re_low}}.within_range();
  } else if constexpr (std::is_same_v<P, ScaledSum<std::complex<double>>>) {
    return {n.scale, {n.re, n.im}};
  } else if constexpr (std::is_same_v<P, complex64_t>) {
    return {static_cast<float>(n.re), static_cast<float>(n.im)};
  } else if constexpr (std::is_integral_v<P>) {
    return static_cast<P>(n.exponent);
  } else if constexpr (std::is_same_v<P, double>) {
    // A live prefix of a narrow float is far from the ends of a double's range.
    auto exponent =
        static_cast<int>(std::clamp<int64_t>(n.exponent, -5000, 5000));
    // To add a zero would lose the sign of a negative one.
    return std::ldexp(n.re_low == 0 ? n.re : n.re + n.re_low, exponent);
  } else {
    return narrow<P>(n.re);
  }
}

// How a monoid's range is kept in a record.
template <class M>
struct RecordRange {
  static void store(CarryRecord&, const NoPrefixRange&) {}
  static NoPrefixRange load(const CarryRecord&) { return {}; }
};
template <>
struct RecordRange<Product<double>> {
  using Range = Product<double>::PrefixRange;
  static void store(CarryRecord& record, const Range& range) {
    record.low[0] = static_cast<double>(range.low);
    record.high[0] = static_cast<double>(range.high);
    record.special[0] = range.special_class;
  }
  static Range load(const CarryRecord& record) {
    return {limited(record.low[0]), limited(record.high[0]), record.special[0]};
  }
};
template <class T>
  requires is_real<T>
struct RecordRange<Sum<T>> {
  using Range = typename Sum<T>::PrefixRange;
  static void store(CarryRecord& record, const Range& range, int part = 0) {
    record.low[part] = range.low;
    record.high[part] = range.high;
    record.special[part] = range.special_class;
  }
  static Range load(const CarryRecord& record, int part = 0) {
    return {record.low[part], record.high[part], record.special[part]};
  }
};
template <>
struct RecordRange<Sum<complex64_t>> {
  using Component = RecordRange<Sum<float>>;
  static void store(CarryRecord& record,
                    const Sum<complex64_t>::PrefixRange& range) {
    Component::store(record, range.re, 0);
    Component::store(record, range.im, 1);
  }
  static Sum<complex64_t>::PrefixRange load(const CarryRecord& record) {
    return {Component::load(record, 0), Component::load(record, 1)};
  }
};
template <>
struct RecordRange<Product<complex64_t>> {
  using Range = Product<complex64_t>::PrefixRange;
  static void store(CarryRecord& record, const Range& range) {
    record.low[0] = range.low;
    record.high[0] = range.high;
    record.special[0] = range.special ? 0 : 1;
  }
  static Range load(const CarryRecord& record) {
    return {record.low[0], record.high[0], record.special[0] != 1};
  }
};

}  // namespace
}  // namespace upsweep
