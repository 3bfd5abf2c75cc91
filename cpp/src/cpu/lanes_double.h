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
    // The range of combinations of up to `rows` elements of each lane, within
    // the bounds of ReassociationGuard. Bounds of a product are binary
    // exponents, rounded down.
    typename M::PrefixRange range(int64_t rows) const {
      auto add = [](const auto& a, const auto& b) { return a + b; };
      typename M::PrefixRange range;
      if constexpr (kProduct) {
        constexpr int64_t kOnes = n * double_bits::kBias;
        range.low = (fold(exponent_field(bounds_.low), add) - kOnes) * rows;
        range.high =
            (fold(exponent_field(bounds_.high), add) - kOnes + n) * rows;
      } else {
        range.low = fold(bounds_.low, add) * static_cast<double>(rows);
        range.high = fold(bounds_.high, add) * static_cast<double>(rows);
      }
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
    if (start_together(carry, start, aggregates)) return;
    for (int i = 0; i < kLanes<double>; ++i) {
      carry.hi[i] = kNaN;  // where the aggregate does not tell
      carry.lo[i] = 0;
      carry.exponent[i] = 0;
      if (M::is_usable(aggregates[i])) {
        carry.set(i, M::apply(start, aggregates[i]));
      }
    }
  }
  // Appends the sums of a block's stripes to an aggregate, and writes the
  // aggregates before them: all lanes at once, if no combination of them comes
  // near an end of the range. Else returns false and does nothing.
  template <class Aggregate, class StripeSums>
  static bool append(Aggregate& aggregate, const StripeSums& sums,
                     Aggregate* before) {
    AllSums prefix;
    for (int i = 0; i < AllLanes::kParts; ++i) {
      prefix.hi.v[i] = sums[i].hi.v[0];
      prefix.lo.v[i] = sums[i].lo.v[0];
    }
    constexpr double least = kProduct ? 0x1p-60 : 0;
    constexpr double most = kProduct ? 0x1p60 : 0x1p1000;
    const Wide start = pair_of(aggregate);
    if (!are_within(prefix.hi, least, most) ||
        !(std::abs(start.hi) <= 0x1p1000) || !M::is_usable(aggregate)) {
      return false;
    }
    prefix = Op::combine(prefixes<1>(prefix), all_of(start));
    auto hi = prefix.hi + prefix.lo;
    auto lo = prefix.lo - (hi - prefix.hi);
    double his[kLanes<double>], los[kLanes<double>];
    hi.store(his);
    lo.store(los);
    Aggregate so_far = aggregate;
    for (int i = 0; i < kLanes<double>; ++i) {
      before[i] = so_far;
      pair_of(so_far) = {his[i], los[i]};
    }
    aggregate = so_far;
    if constexpr (kProduct) {
      if (!are_within(hi, M::kLow, M::kHigh)) [[unlikely]] {
        for (int i = 1; i < kLanes<double>; ++i) M::normalise(before[i]);
        M::normalise(aggregate);
      }
    }
    return true;
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
  using AllLanes = Pack<double, kLanes<double>>;
  using AllSums = DoublePair<kLanes<double>>;

  static AllSums all_of(const Wide& a) {
    return {AllLanes::all(a.hi), AllLanes::all(a.lo)};
  }
  // False if any lane is NaN.
  static bool are_within(const AllLanes& a, double least, double most) {
    auto size = abs(a);
    auto good = (size >= AllLanes::all(least)) & (AllLanes::all(most) >= size);
    return !any(good == Pack<int64_t, kLanes<double>>::all(0));
  }
  template <class Aggregate>
  static auto& pair_of(Aggregate& aggregate) {
    if constexpr (kProduct) {
      return aggregate.mantissa;
    } else {
      return aggregate;
    }
  }

  // The combination of each lane, those d lanes before it, and so on.
  template <int d>
  static AllSums prefixes(const AllSums& a) {
    if constexpr (d == kLanes<double>) {
      return a;
    } else {
      AllSums earlier{later<d>(a.hi, double{Op::kIdentity}),
                      later<d>(a.lo, 0.)};
      return prefixes<2 * d>(Op::combine(a, earlier));
    }
  }

  // As start_stripes, for all lanes at once. The low parts of sums may differ,
  // but which way is taken depends on the data alone. Returns false if a lane
  // may need an exponent or its aggregate does not tell.
  template <class Aggregate>
  static bool start_together(Carry& carry, const Prefix& start,
                             const Aggregate* aggregates) {
    int64_t exponents = exponent_of(start);
    for (int i = 0; i < kLanes<double>; ++i) {
      carry.hi[i] = pair_of(aggregates[i]).hi;
      carry.lo[i] = pair_of(aggregates[i]).lo;
      carry.exponent[i] = 0;
      exponents |= exponent_of(aggregates[i]);
    }
    auto hi = AllLanes::load(carry.hi);
    constexpr double least = kProduct ? 0x1p-256 : 0;
    constexpr double most = kProduct ? 0x1p256 : 0x1p1000;
    if (exponents != 0 || !are_within(hi, least, most) ||
        !(std::abs(pair_of(start).hi) <= 0x1p1000)) {
      return false;
    }
    auto r = Op::combine(AllSums{hi, AllLanes::load(carry.lo)},
                         all_of(pair_of(start)));
    auto sum = r.hi + r.lo;
    sum.store(carry.hi);
    (r.lo - (sum - r.hi)).store(carry.lo);
    return true;
  }
  static int64_t exponent_of(const Prefix& prefix) {
    if constexpr (kProduct) {
      return prefix.exponent;
    } else {
      return 0;
    }
  }

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
