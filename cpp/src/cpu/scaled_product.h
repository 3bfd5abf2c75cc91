// ScaledProduct: products of float64 with an integer exponent in each lane,
// which cannot overflow: for lanes near an end of the range, or beyond it.
//
// Nothing here computes with subnormal numbers, which most processors multiply
// a hundred times slower than others: exponents are taken off the elements and
// put on the results as integers.
#pragma once

#include "double_pair.h"

namespace upsweep {
namespace {

namespace double_bits {
constexpr uint64_t kSign = uint64_t{1} << 63;
constexpr uint64_t kFraction = (uint64_t{1} << 52) - 1;
constexpr uint64_t kOne = std::bit_cast<uint64_t>(1.);
constexpr uint64_t kInfinite = std::bit_cast<uint64_t>(kInfinity);
constexpr int kBias = 1023, kTop = 0x7ff;  // of the exponent field
}  // namespace double_bits

// The biased exponents, 0 for zero and subnormal numbers.
template <int n>
UPSWEEP_INLINE inline Pack<int64_t, n> exponent_field(
    const Pack<double, n>& x) {
  auto field = (x.template as<uint64_t>() >> 52) &
               Pack<uint64_t, n>::all(double_bits::kTop);
  return field.template as<int64_t>();
}

// Numbers with these biased exponents and no fractions.
template <int n>
UPSWEEP_INLINE inline Pack<double, n> power_of_field(
    const Pack<int64_t, n>& field) {
  return (field.template as<uint64_t>() << 52).template as<double>();
}

// What products saturate at.
template <int n>
UPSWEEP_INLINE inline Pack<int64_t, n> is_special(const Pack<double, n>& x) {
  auto zero = Pack<double, n>::all(0);
  return (x - x != zero) | (x == zero);
}

// A row of factors: mantissa · 2^exponent with a mantissa between 1 and 2.
// Zero, infinities and NaN are their own mantissas.
struct SplitRow {
  Pack<double> mantissa;
  Pack<int64_t> exponent;
  Pack<int64_t> special;

  UPSWEEP_INLINE explicit SplitRow(const Pack<double>& x)
      : exponent(exponent_field(x)), special(Pack<int64_t>::all(0)) {
    auto bits = x.as<uint64_t>();
    auto uncommon = (exponent == Pack<int64_t>::all(0)) |
                    (exponent == Pack<int64_t>::all(double_bits::kTop));
    mantissa = with_fraction_of(bits);
    exponent = exponent - Pack<int64_t>::all(double_bits::kBias);
    if (any(uncommon)) [[unlikely]] {
      split_uncommon(x);
    }
  }

 private:
  using Words = Pack<uint64_t>;

  // ±1 and the fraction.
  UPSWEEP_INLINE static Pack<double> with_fraction_of(const Words& bits) {
    auto kept = bits & Words::all(double_bits::kSign | double_bits::kFraction);
    return (kept | Words::all(double_bits::kOne)).as<double>();
  }

  UPSWEEP_INLINE void split_uncommon(const Pack<double>& x) {
    auto bits = x.as<uint64_t>();
    auto subnormal = exponent == Pack<int64_t>::all(-double_bits::kBias);
    auto fraction = abs(mantissa) - Pack<double>::all(1);
    auto sign = bits & Words::all(double_bits::kSign);
    auto of_fraction = fraction.as<uint64_t>() | sign;
    mantissa = select(subnormal, with_fraction_of(of_fraction), mantissa);
    // As a subnormal number, the fraction counts 2^-1022.
    auto low = exponent_field(fraction) -
               Pack<int64_t>::all(2 * double_bits::kBias - 1);
    exponent = select(subnormal, low, exponent);
    special = is_special(x);
    mantissa = select(special, x, mantissa);
    exponent = select(special, Pack<int64_t>::all(0), exponent);
  }
};

// Brings the mantissas of lanes that are not special to between 1 and 2.
UPSWEEP_INLINE inline void normalise(DoublePair<kPack<double>>& mantissa,
                                     Pack<int64_t>& exponent,
                                     const Pack<int64_t>& special) {
  auto none = Pack<int64_t>::all(0);
  auto bias = Pack<int64_t>::all(double_bits::kBias);
  auto shift = exponent_field(mantissa.hi) - bias;
  shift = select(special, none, shift);
  auto scale = power_of_field(bias - shift);
  mantissa.hi = mantissa.hi * scale;
  mantissa.lo = select(special, Pack<double>::all(0), mantissa.lo * scale);
  exponent = select(special, none, exponent + shift);
}

// A lane scanner (lanes.h) for products of any elements.
class ScaledProduct {
 public:
  using Row = Pack<uint64_t>;

  template <class Carry>
  UPSWEEP_INLINE ScaledProduct(const Carry& carry, int first)
      : r_{Pack<double>::load(carry.hi + first),
           Pack<double>::load(carry.lo + first)},
        exponent_(Pack<int64_t>::load(carry.exponent + first)),
        saturated_(is_special(r_.hi)),
        saturated_before_(saturated_) {
    normalise(r_, exponent_, saturated_);
  }

  UPSWEEP_INLINE Row results() const {
    Rounded y(r_, exponent_, saturated_);
    return y.bits;
  }

  UPSWEEP_INLINE Row step(const Row& row) {
    SplitRow x(row.as<double>());
    r_ = DoubleOp<Product<double>>::combine(r_, x.mantissa);
    exponent_ = exponent_ + x.exponent;
    saturated_ = saturated_ | x.special;
    Rounded y(r_, exponent_, saturated_);
    if (any(y.left)) [[unlikely]] {
      r_.hi = select(y.left, y.bits.as<double>(), r_.hi);
      saturated_ = saturated_ | y.left;
    }
    return y.bits;
  }

  template <class Carry>
  UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
    auto r = r_;
    auto exponent = exponent_;
    normalise(r, exponent, saturated_);
    // As Carry::set does it.
    auto none = Pack<int64_t>::all(0);
    auto fits = (exponent >= Pack<int64_t>::all(-599)) &
                (exponent < Pack<int64_t>::all(600));
    auto shift = select(fits, exponent, none);
    auto scale = power_of_field(shift + Pack<int64_t>::all(double_bits::kBias));
    canonical(r.hi * scale).store(carry.hi + first);
    (r.lo * scale).store(carry.lo + first);
    (exponent - shift).store(carry.exponent + first);
    return !any(saturated_ != saturated_before_);
  }

 private:
  using Words = Pack<uint64_t>;

  // Products rounded to float64, and which of them have left the range.
  struct Rounded {
    Words bits;
    Pack<int64_t> left;

    UPSWEEP_INLINE Rounded(const DoublePair<kPack<double>>& r,
                           const Pack<int64_t>& exponent,
                           const Pack<int64_t>& saturated)
        : left(Pack<int64_t>::all(0)) {
      auto mantissa = r.hi + r.lo;
      auto field = exponent_field(mantissa) + exponent;
      bits = mantissa.as<uint64_t>() + (exponent.as<uint64_t>() << 52);
      auto low = field < Pack<int64_t>::all(1);
      auto high = field >= Pack<int64_t>::all(double_bits::kTop);
      if (!any(low | high | saturated)) return;
      auto sign = mantissa.as<uint64_t>() & Words::all(double_bits::kSign);
      auto size = select(low, subnormal_bits(mantissa, field),
                         Words::all(double_bits::kInfinite));
      bits = select(low | high, sign | size, bits);
      left = high | (low & (size == Words::all(0)));
      left = select(saturated, Pack<int64_t>::all(0), left);
      bits = select(saturated, canonical(r.hi).template as<uint64_t>(), bits);
    }

   private:
    // Magnitudes in units of the smallest number, rounded to nearest. The last
    // bit of a sum with `one_up` is such a unit.
    UPSWEEP_INLINE static Words subnormal_bits(const Pack<double>& mantissa,
                                               const Pack<int64_t>& field) {
      constexpr int kDigits = 52;
      // What is further away is zero, too.
      auto near = max(field, Pack<int64_t>::all(-kDigits - 8));
      auto shifted =
          near + Pack<int64_t>::all(double_bits::kBias + kDigits - 1);
      auto size =
          (mantissa.as<uint64_t>() & Words::all(double_bits::kFraction)) |
          power_of_field(shifted).template as<uint64_t>();
      auto one_up = Pack<double>::all(0x1p52);
      auto sum = one_up + size.template as<double>();
      return sum.template as<uint64_t>() - one_up.as<uint64_t>();
    }
  };

  DoublePair<kPack<double>> r_;
  Pack<int64_t> exponent_;
  Pack<int64_t> saturated_;
  Pack<int64_t> saturated_before_;
};

// The aggregates of rows of any elements, one in each lane, and the range of
// the prefixes.
class ScaledAggregates {
 public:
  UPSWEEP_INLINE ScaledAggregates()
      : product_(Pack<double>::all(1), Pack<double>::all(0)),
        exponent_(Pack<int64_t>::all(0)),
        low_(exponent_),
        high_(exponent_) {}

  UPSWEEP_INLINE void add(const Pack<uint64_t>& row) {
    SplitRow x(row.as<double>());
    product_ = DoubleOp<Product<double>>::combine(product_, x.mantissa);
    exponent_ = exponent_ + x.exponent;
    normalise(product_, exponent_, is_special(product_.hi));
    low_ = min(low_, exponent_);
    high_ = max(high_, exponent_);
  }

  // An aggregate with zero, infinities or NaN is not usable.
  void store(Product<double>::Aggregate* aggregates,
             Product<double>::PrefixRange* ranges) const {
    double hi[n], lo[n];
    int64_t exponent[n], low[n], high[n];
    product_.hi.store(hi);
    product_.lo.store(lo);
    exponent_.store(exponent);
    low_.store(low);
    high_.store(high);
    for (int i = 0; i < n; ++i) {
      aggregates[i] = {{kNaN}, 0};
      if (is_live(hi[i])) aggregates[i] = {two_sum(hi[i], lo[i]), exponent[i]};
      ranges[i].low = low[i];
      ranges[i].high = high[i];
    }
  }

 private:
  static constexpr int n = kPack<double>;

  DoublePair<n> product_;
  Pack<int64_t> exponent_, low_, high_;
};

}  // namespace
}  // namespace upsweep
