// DoubleLanes: products and sums of float64 as unevaluated sums of two doubles.
#pragma once

#include "scaled_product.h"

namespace upsweep {
namespace {

template <class M>
struct DoubleLanes {
  using Op = DoubleOp<M>;
  using Row = Pack<uint64_t>;
  static constexpr int n = kPack<double>;
  using Sums = DoublePair<n>;
  using Prefix = typename M::Prefix;
  static constexpr bool kHasStripes = true;
  static constexpr bool kProduct = Op::kProduct;

  // Bounds of the prefixes, for products of their magnitudes. Ignores NaN.
  struct PrefixBounds {
    Pack<double> low, high;

    PrefixBounds() : low(Pack<double>::all(Op::kIdentity)), high(low) {}
    UPSWEEP_INLINE void add(const Sums& sum) { add(sum.hi); }
    UPSWEEP_INLINE void add(const Pack<double>& row) {
      auto at = kProduct ? abs(row) : row;
      low = min(at, low);
      high = max(at, high);
    }
    bool are_within(double lowest, double highest,
                    const Pack<int64_t>& but = Pack<int64_t>::all(0)) const {
      auto good = (low >= Pack<double>::all(lowest)) &
                  (Pack<double>::all(highest) >= high);
      return !any((good | but) == Pack<int64_t>::all(0));
    }
  };
  // The product of 64 elements within 2^±14 is far from the ends of the range.
  class ReassociationGuard {
   public:
    UPSWEEP_INLINE void add_row(const Row& row) {
      if constexpr (kProduct) elements_.add(row.as<double>());
    }
    void add_sums(const Sums&) {}
    bool is_violated() const {
      return kProduct && !elements_.are_within(0x1p-14, 0x1p14);
    }

   private:
    PrefixBounds elements_;
  };
  // The range of the elements.
  class ElementRange {
   public:
    UPSWEEP_INLINE void add(const Row& row) { bounds_.add(row.as<double>()); }
    // The range of combinations of up to `rows` elements of each lane. Bounds
    // of a product are binary exponents, rounded down.
    typename M::PrefixRange range(int64_t rows) const {
      double low[n], high[n];
      bounds_.low.store(low);
      bounds_.high.store(high);
      typename M::PrefixRange range;
      for (int i = 0; i < n; ++i) {
        typename M::PrefixRange lane;
        M::include(lane, aggregate_of({low[i]}), Op::kIdentity);
        M::include(lane, aggregate_of({high[i]}), Op::kIdentity);
        range.low += lane.low;
        range.high += lane.high + (kProduct ? 1 : 0);
      }
      range.low *= static_cast<decltype(range.low)>(rows);
      range.high *= static_cast<decltype(range.high)>(rows);
      return range;
    }

   private:
    PrefixBounds bounds_;
  };

  // The exponent is 0 unless the product is close to the ends of the range.
  struct Carry {
    double hi[kLanes<double>], lo[kLanes<double>];
    int64_t exponent[kLanes<double>];

    Prefix get(int i) const {
      bool saturated = hi[i] - hi[i] != 0 || (kProduct && hi[i] == 0);
      Wide r =
          saturated ? Wide{upsweep::canonical(hi[i])} : two_sum(hi[i], lo[i]);
      if constexpr (kProduct) {
        Prefix product{r, exponent[i]};
        if (!saturated) M::normalise(product);
        return product;
      } else {
        return r;
      }
    }
    void set(int i, const Prefix& r) {
      if constexpr (kProduct) {
        bool fits = r.exponent > -600 && r.exponent < 600;
        double scale =
            fits ? std::bit_cast<double>((r.exponent + 1023) << 52) : 1;
        hi[i] = r.mantissa.hi * scale;
        lo[i] = r.mantissa.lo * scale;
        exponent[i] = fits ? 0 : r.exponent;
      } else {
        hi[i] = r.hi;
        lo[i] = r.lo;
        exponent[i] = 0;
      }
    }
  };

  // Also computes lanes that are saturated from the start.
  class Fast {
   public:
    UPSWEEP_INLINE Fast(const Carry& carry, int first)
        : r_{Pack<double>::load(carry.hi + first),
             Pack<double>::load(carry.lo + first)},
          saturated_(is_saturated(r_.hi)),
          some_saturated_(any(saturated_)) {
      auto exponent = Pack<int64_t>::load(carry.exponent + first);
      give_up(exponent != Pack<int64_t>::all(0));
    }

    // Whether a first row keeps a product within the range.
    UPSWEEP_INLINE bool suits(const Row& row) const {
      if constexpr (!kProduct) return true;
      auto field = exponent_field(r_.hi) + exponent_field(row.as<double>());
      constexpr int kOne = 2 * double_bits::kBias;
      auto bad = (field < Pack<int64_t>::all(kOne - 898)) |
                 (field >= Pack<int64_t>::all(kOne + 998));
      return !any(bad & (saturated_ == Pack<int64_t>::all(0)));
    }
    UPSWEEP_INLINE bool is_good() const {
      return range_.are_within(Op::kLow, Op::kHigh, saturated_);
    }

    UPSWEEP_INLINE Row results() const {
      return value().template as<uint64_t>();
    }

    UPSWEEP_INLINE Row step(const Row& row) {
      r_ = Op::combine(r_, row.as<double>());
      auto y = value();
      range_.add(y);
      return y.template as<uint64_t>();
    }

    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      auto at = mask_of<int64_t, n>(flags);
      auto zero = Pack<double>::all(0);
      give_up(at & is_lost());
      r_.hi = select(at, Pack<double>::all(Op::kIdentity), r_.hi);
      r_.lo = select(at, zero, r_.lo);
      saturated_ = select(at, Pack<int64_t>::all(0), saturated_);
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      auto lo = select(saturated_, Pack<double>::all(0), r_.lo);
      r_.hi.store(carry.hi + first);
      lo.store(carry.lo + first);
      return is_good() && !any(is_lost());
    }

   private:
    // The bounds of the results ignore NaN.
    UPSWEEP_INLINE Pack<int64_t> is_lost() const {
      return (r_.hi - r_.hi != Pack<double>::all(0)) &
             (saturated_ == Pack<int64_t>::all(0));
    }
    UPSWEEP_INLINE void give_up(const Pack<int64_t>& lanes) {
      range_.high = select(lanes, Pack<double>::all(kInfinity), range_.high);
    }

    UPSWEEP_INLINE Pack<double> value() const {
      auto y = r_.hi + r_.lo;
      if (some_saturated_) [[unlikely]] {
        y = select(saturated_, canonical(r_.hi), y);
      }
      return y;
    }

    Sums r_;
    PrefixBounds range_;
    Pack<int64_t> saturated_;
    bool some_saturated_;
  };

  using FastLines = Fast;
  // Whether no lane can leave the range any more.
  static bool are_saturated(const Carry& carry) {
    bool some_live = false;
    for (double r : carry.hi) some_live |= kProduct ? is_live(r) : r - r == 0;
    return !some_live;
  }
  using Exact =
      std::conditional_t<kProduct, ScaledProduct, LaneByLane<M, Carry>>;

  template <class Aggregate>
  static void start_stripes(Carry& carry, const Prefix& start,
                            const Aggregate* aggregates) {
    for (int i = 0; i < kLanes<double>; ++i) {
      carry.hi[i] = kNaN;  // where the aggregate does not tell
      carry.lo[i] = 0;
      carry.exponent[i] = 0;
      if (M::is_usable(aggregates[i])) {
        carry.set(i, M::apply(start, aggregates[i]));
      }
    }
  }
  static Sums identity() {
    return {Pack<double>::all(Op::kIdentity), Pack<double>::all(0)};
  }
  template <int size>
  UPSWEEP_INLINE static DoublePair<size> combine(const DoublePair<size>& a,
                                                 const DoublePair<size>& b) {
    return Op::combine(a, b);
  }
  UPSWEEP_INLINE static Sums accumulate(const Sums& sum, const Row& row) {
    return Op::combine(sum, row.as<double>());
  }
  UPSWEEP_INLINE static Sums accumulate(const Sums& sum, const uint64_t* from) {
    return accumulate(sum, Row::load(from));
  }

  // A product close to the ends of the range loses its error term.
  static constexpr bool kNeedsBounds = kProduct;
  static constexpr double kCertain = 0x1p-900;
  using AnyAggregates = ScaledAggregates;

  template <int size, class Aggregate>
  static void store(const DoublePair<size>& sum, Aggregate* aggregates) {
    double hi[size], lo[size];
    sum.hi.store(hi);
    sum.lo.store(lo);
    for (int i = 0; i < size; ++i) {
      bool finite = hi[i] - hi[i] == 0;
      aggregates[i] =
          aggregate_of(finite ? two_sum(hi[i], lo[i]) : Wide{hi[i]});
    }
  }
  static bool are_certain(const PrefixBounds& bounds) {
    return !kProduct || bounds.are_within(kCertain, 1 / kCertain);
  }
  template <class PrefixRange>
  static void store_bounds(const PrefixBounds& bounds, PrefixRange* ranges) {
    double low[n], high[n];
    bounds.low.store(low);
    bounds.high.store(high);
    for (int i = 0; i < n; ++i) {
      M::include(ranges[i], aggregate_of({low[i]}), Op::kIdentity);
      M::include(ranges[i], aggregate_of({high[i]}), Op::kIdentity);
    }
  }

  static void store_classes(const Sums& sum, double* classes) {
    sum.hi.store(classes);
  }

  UPSWEEP_INLINE static Row classify(const Row& row) {
    auto x = row.as<double>();
    auto ordinary = x - x == Pack<double>::all(0);
    if constexpr (kProduct) {
      ordinary = ordinary & (x != Pack<double>::all(0));
      auto sign = row & Pack<uint64_t>::all(uint64_t{1} << 63);
      auto one = sign | Pack<double>::all(1).template as<uint64_t>();
      x = select(ordinary, one.template as<double>(), x);
    } else {
      x = select(ordinary, Pack<double>::all(0), x);
    }
    return x.template as<uint64_t>();
  }

 private:
  UPSWEEP_INLINE static Pack<int64_t> is_saturated(const Pack<double>& a) {
    auto result = a - a != Pack<double>::all(0);
    if constexpr (kProduct) result = result | (a == Pack<double>::all(0));
    return result;
  }

  static typename M::Aggregate aggregate_of(Wide value) {
    if constexpr (kProduct) {
      typename M::Aggregate aggregate{value, 0};
      if (M::is_live(aggregate)) M::normalise(aggregate);
      return aggregate;
    } else {
      return value;
    }
  }
};

template <>
struct Lanes<Product<double>> : DoubleLanes<Product<double>> {};
template <>
struct Lanes<Sum<double>> : DoubleLanes<Sum<double>> {};

}  // namespace
}  // namespace upsweep
