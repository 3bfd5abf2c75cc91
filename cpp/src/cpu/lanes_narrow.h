// NarrowLanes: products and sums of float32, float16 and bfloat16, whose
// prefixes are doubles.
#pragma once

#include "lanes.h"

namespace upsweep {
namespace {

// The bits of the smallest float32 above x.
constexpr uint32_t bits_above(double x) {
  return std::bit_cast<uint32_t>(static_cast<float>(x)) + 1;
}

// The difference between products and sums of narrow floats.
template <class M>
struct NarrowOp;

template <class T>
struct NarrowOp<Product<T>> : Multiply {
  // Live results are above half of the smallest number of T.
  static constexpr uint32_t kLowest = bits_above(Limits<T>::min / 2);
  static constexpr bool kProduct = true;
};
template <class T>
struct NarrowOp<Sum<T>> : Add {
  static constexpr uint32_t kLowest = 0;
  static constexpr bool kProduct = false;
};

// The bits of the smallest magnitude that rounds to infinity in T.
template <class T>
constexpr uint32_t kOverflow = 0x7f800000;
template <>
inline constexpr uint32_t kOverflow<float16_t> =
    std::bit_cast<uint32_t>(65520.f);
template <>
inline constexpr uint32_t kOverflow<bfloat16_t> = 0x7f7f8000;

// Whether magnitudes have at least the bits `lowest` and do not overflow in T:
// those of one row, or of all rows added.
template <class T, uint32_t lowest>
class RangeCheck {
 public:
  RangeCheck() : worst_(Magnitudes::all(0)) {}

  UPSWEEP_INLINE void add(const FloatsOf<T>& y) {
    worst_ = max(worst_, excess(y));
  }
  bool passed() const { return !any(fails(worst_)); }

  UPSWEEP_INLINE static auto failures(const FloatsOf<T>& y) {
    return fails(excess(y));
  }

 private:
  using Magnitudes = Pack<uint32_t, kPack<T>>;

  UPSWEEP_INLINE static Magnitudes excess(const FloatsOf<T>& y) {
    auto magnitude = y.template as<uint32_t>() & Magnitudes::all(0x7fffffff);
    return magnitude - Magnitudes::all(lowest);
  }
  UPSWEEP_INLINE static auto fails(const Magnitudes& excess) {
    return excess >= Magnitudes::all(kOverflow<T> - lowest);
  }

  Magnitudes worst_;
};

template <class M>
struct NarrowLanes {
  using Op = NarrowOp<M>;
  using Value = typename M::Value;
  using Row = Pack<Bits<Value>>;
  using Check = RangeCheck<Value, Op::kLowest>;
  static constexpr bool kProduct = Op::kProduct;
  static constexpr int n = kPack<Value>;
  using Floats = Pack<float, n>;
  using Doubles = Pack<double, n>;
  using Mask = Pack<int32_t, n>;
  using Magnitudes = Pack<uint32_t, n>;
  static constexpr bool kHasStripes = true;

  // Rounds to float32. A sum of 16-bit numbers is rounded again later, and the
  // two roundings must equal one, so the first rounds to odd: if bits are lost,
  // it sets the last bit. Products may be rounded twice within 1 ulp.
  UPSWEEP_INLINE static Floats to_floats(const Doubles& r) {
    if constexpr (kProduct || sizeof(Value) != 2) {
      return narrow(r);
    } else {
      using Words = Pack<uint64_t, n>;
      constexpr uint64_t kRest = (uint64_t{1} << (53 - 24)) - 1;
      auto bits = r.template as<uint64_t>();
      auto odd = (bits & Words::all(kRest)) + Words::all(kRest);
      auto kept = (bits | odd) & Words::all(~kRest);
      return narrow(kept.template as<double>());
    }
  }

  struct Carry {
    double lane[kLanes<Value>];
    double get(int i) const { return upsweep::canonical(lane[i]); }
    void set(int i, double r) { lane[i] = r; }
  };

  // Computes in double, and checks the range once for all rows.
  class Fast {
   public:
    UPSWEEP_INLINE Fast(const Carry& carry, int first)
        : r_(Doubles::load(carry.lane + first)) {}

    UPSWEEP_INLINE Row results() const { return bits_of<Value>(to_floats(r_)); }

    UPSWEEP_INLINE Row step(const Row& x) {
      r_ = Op::combine(r_, widen(floats_of<Value>(x)));
      auto y = to_floats(r_);
      check_.add(y);
      return bits_of<Value>(y);
    }

    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      r_ = select(mask_of<int64_t, n>(flags), identity(), r_);
    }

    UPSWEEP_INLINE bool suits(const Row&) const { return true; }
    UPSWEEP_INLINE bool is_good() const { return check_.passed(); }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      r_.store(carry.lane + first);
      return is_good();
    }

   private:
    Doubles r_;
    Check check_;
  };

  // Computes in double, and checks the range of every row.
  class Exact {
   public:
    UPSWEEP_INLINE Exact(const Carry& carry, int first)
        : r_(Doubles::load(carry.lane + first)),
          saturated_(Check::failures(canonical(to_floats(r_)))) {}

    UPSWEEP_INLINE Row results() const {
      return bits_of<Value>(canonical(to_floats(r_)));
    }

    UPSWEEP_INLINE Row step(const Row& x) {
      r_ = Op::combine(r_, widen(floats_of<Value>(x)));
      auto y = to_floats(r_);
      auto saturated = Check::failures(y);
      if (any(saturated)) [[unlikely]] {
        y = canonical(y);
        if (any(saturated & (saturated_ == Mask::all(0)))) {
          saturate(y);
          newly_saturated_ = true;
        }
        saturated_ = saturated;
      }
      return bits_of<Value>(y);
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      r_.store(carry.lane + first);
      return !newly_saturated_;
    }

   private:
    // Brings lanes whose results are special to these.
    UPSWEEP_INLINE void saturate(const Floats& y) {
      auto value = widen(floats_of<Value>(bits_of<Value>(y)));
      auto zero = Doubles::all(0);
      auto special = value - value != zero;
      if constexpr (kProduct) special = special | (value == zero);
      r_ = select(special, value, r_);
    }

    Doubles r_;
    Mask saturated_;
    bool newly_saturated_ = false;
  };

  static void start_stripes(Carry& carry, double start,
                            const double* aggregates) {
    for (int i = 0; i < kLanes<Value>; i += n) {
      Op::combine(Doubles::all(start), Doubles::load(aggregates + i))
          .store(carry.lane + i);
    }
  }
  static Doubles identity() { return Doubles::all(M::identity()); }
  template <int size>
  UPSWEEP_INLINE static Pack<double, size> combine(
      const Pack<double, size>& a, const Pack<double, size>& b) {
    return Op::combine(a, b);
  }
  UPSWEEP_INLINE static Doubles accumulate(const Doubles& sum, const Row& row) {
    return Op::combine(sum, widen(floats_of<Value>(row)));
  }
  UPSWEEP_INLINE static Doubles accumulate(const Doubles& sum,
                                           const Bits<Value>* from) {
    return Op::combine(sum, load_widened<Value>(from));
  }

  class PrefixBounds {
   public:
    PrefixBounds() : low_(identity()), high_(low_) {}
    UPSWEEP_INLINE void add(const Doubles& sum) {
      auto at = kProduct ? abs(sum) : sum;
      low_ = min(at, low_);
      high_ = max(at, high_);
    }
    void store(double* low, double* high) const {
      low_.store(low);
      high_.store(high);
    }
    bool are_within(double lowest, double highest) const {
      return !any((low_ < Doubles::all(lowest)) |
                  (Doubles::all(highest) < high_));
    }

   private:
    Doubles low_, high_;
  };
  // If a product of up to eight floats was ever subnormal, it stays below
  // 2^-894; if it was infinite, it is infinite or NaN and the aggregate not
  // usable. Sixteen products within 2^±60 are safe in any order.
  class ReassociationGuard {
   public:
    void add_row(const Row&) {}
    UPSWEEP_INLINE void add_sums(const Doubles& sum) {
      if constexpr (kProduct) products_.add(sum);
    }
    bool is_violated() const {
      return kProduct && !products_.are_within(0x1p-60, 0x1p60);
    }

   private:
    PrefixBounds products_;
  };
  // The range of the elements, for products of their magnitudes. Ignores NaN.
  class ElementRange {
   public:
    ElementRange()
        : low_(Floats::all(static_cast<float>(M::identity()))), high_(low_) {}
    UPSWEEP_INLINE void add(const Row& row) {
      auto x = floats_of<Value>(row);
      auto at = kProduct ? abs(x) : x;
      low_ = min(at, low_);
      high_ = max(at, high_);
    }
    // The range of combinations of up to `rows` elements of each lane.
    typename M::PrefixRange range(int64_t rows) const {
      typename M::PrefixRange range,
          one{combination_of(widen(low_)), combination_of(widen(high_))};
      for (int64_t i = 0; i < rows; ++i) {
        range.low = M::apply(range.low, one.low);
        range.high = M::apply(range.high, one.high);
      }
      return range;
    }

   private:
    Floats low_, high_;
  };

  template <int size>
  UPSWEEP_INLINE static double combination_of(const Pack<double, size>& lanes) {
    return fold(lanes,
                [](const auto& a, const auto& b) { return Op::combine(a, b); });
  }
  // Appends what follows each of the aggregates of kLanes stripes. A fold may
  // lose numbers beside a NaN, but there is none if the last aggregate is live.
  static void append_range(typename M::PrefixRange& range, const double* before,
                           const typename M::PrefixRange& next) {
    using All = Pack<double, kLanes<Value>>;
    auto at = All::load(before);
    if constexpr (kProduct) at = abs(at);
    M::append_range(range,
                    fold(at,
                         [](const auto& a, const auto& b) {
                           using std::min;
                           return min(a, b);
                         }),
                    next);
    M::append_range(range,
                    fold(at,
                         [](const auto& a, const auto& b) {
                           using std::max;
                           return max(a, b);
                         }),
                    next);
  }

  // The ratios of live prefixes are within 2^±278: no aggregate is lost.
  static constexpr bool kNeedsBounds = false;

  template <int size, class Aggregate>
  static void store(const Pack<double, size>& sum, Aggregate* aggregates) {
    double aggregate[size];
    sum.store(aggregate);
    for (int i = 0; i < size; ++i) aggregates[i] = aggregate[i];
  }
  template <class PrefixRange>
  static void store_bounds(const PrefixBounds& bounds, PrefixRange* ranges) {
    double low[n], high[n];
    bounds.store(low, high);
    for (int i = 0; i < n; ++i) {
      ranges[i].low = low[i];
      ranges[i].high = high[i];
    }
  }

  static void store_classes(const Doubles& sum, double* classes) {
    sum.store(classes);
  }
  UPSWEEP_INLINE static Row classify(const Row& row) {
    auto x = floats_of<Value>(row);
    auto magnitude = x.template as<uint32_t>() & Magnitudes::all(0x7fffffff);
    auto special = Magnitudes::all(0x7f800000);
    auto ordinary = magnitude < special;
    if constexpr (kProduct) {
      ordinary = ordinary & (magnitude != Magnitudes::all(0));
      auto sign = x.template as<uint32_t>() & Magnitudes::all(0x80000000);
      auto one = (sign | Floats::all(1).template as<uint32_t>());
      return bits_of<Value>(select(ordinary, one.template as<float>(), x));
    } else {
      return bits_of<Value>(select(ordinary, Floats::all(0), x));
    }
  }
};

// A product of float32 as the unevaluated sum of two floats. A step has an
// error of 2^-48 of the product, as long as the product stays above 2^-100.
// float16 and bfloat16 need no second float. Against doubles this saves 20 to
// 40 % of the time of a long line (AVX2), but its errors add up: it is only for
// kRows rows, after which it starts from a double again.
template <class T>
class FloatPairProduct {
 public:
  using Row = Pack<Bits<T>>;

  template <class Carry>
  UPSWEEP_INLINE FloatPairProduct(const Carry& carry, int first) {
    auto r = Pack<double, kPack<T>>::load(carry.lane + first);
    hi_ = narrow(r);
    check_.add(hi_);  // too small a product is no sum of two floats
    if constexpr (kPair) lo_ = narrow(r - widen(hi_));
  }

  UPSWEEP_INLINE Row results() const { return bits_of<T>(hi_); }

  UPSWEEP_INLINE Row step(const Row& row) {
    auto x = floats_of<T>(row);
    auto hi = hi_ * x;
    auto y = hi;
    if constexpr (kPair) {
      lo_ = fma(lo_, x, fms(hi_, x, hi));
      y = hi + lo_;
    }
    hi_ = hi;
    check_.add(y);
    return bits_of<T>(y);
  }

  // Whether a first row gives products that no float computes slowly.
  UPSWEEP_INLINE bool suits(const Row& row) const {
    if constexpr (std::is_same_v<T, float16_t>) return true;
    using Words = Pack<uint32_t, kPack<T>>;
    auto exponents = Words::all(0x7f800000);
    auto field = ((hi_.template as<uint32_t>() & exponents) >> 1) +
                 ((floats_of<T>(row).template as<uint32_t>() & exponents) >> 1);
    return !any(field < Words::all(uint32_t{2 * 127 - 98} << 22));
  }
  UPSWEEP_INLINE bool is_good() const { return check_.passed(); }

  template <class Carry>
  UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
    auto r = widen(hi_);
    if constexpr (kPair) r = r + widen(lo_);
    r.store(carry.lane + first);
    return is_good();
  }

 private:
  static constexpr bool kPair = std::is_same_v<T, float>;

  FloatsOf<T> hi_, lo_;
  RangeCheck<T,
             std::max(NarrowOp<Product<T>>::kLowest,
                      std::is_same_v<T, float16_t> ? 0 : bits_above(0x1p-100))>
      check_;
};

template <class T>
  requires is_real<T> && (!std::is_same_v<T, double>)
struct Lanes<Product<T>> : NarrowLanes<Product<T>> {
  using FastLines = std::conditional_t<kFused || !std::is_same_v<T, float>,
                                       FloatPairProduct<T>,
                                       typename NarrowLanes<Product<T>>::Fast>;
};
template <class T>
  requires is_real<T> && (!std::is_same_v<T, double>)
struct Lanes<Sum<T>> : NarrowLanes<Sum<T>> {
  using FastLines = typename NarrowLanes<Sum<T>>::Fast;
};

}  // namespace
}  // namespace upsweep
