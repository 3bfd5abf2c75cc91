// ComplexLanes: products and sums of complex64, whose parts are doubles in
// neighbouring lanes.
#pragma once

#include "lanes_narrow.h"
#include "simd_complex.h"

namespace upsweep {
namespace {

// What products and sums of complex64 have in common.
template <class M, class Op>
struct ComplexLanes {
  using Value = complex64_t;
  using Prefix = typename M::Prefix;
  using Row = Pack<uint64_t>;
  static constexpr int n = kPack<Value>;
  using Doubles = Pack<double, 2 * n>;
  using Mask = typename Doubles::Mask;
  using Numbers = ComplexPack<n>;
  static constexpr bool kHasStripes = true;

  // The parts are the lanes of a scan of floats.
  struct Carry {
    typename NarrowLanes<Sum<float>>::Carry parts;

    Prefix get(int i) const { return {parts.get(2 * i), parts.get(2 * i + 1)}; }
    void set(int i, const Prefix& r) {
      parts.set(2 * i, r.re);
      parts.set(2 * i + 1, r.im);
    }
  };

  template <class Aggregate>
  static void start_stripes(Carry& carry, const Prefix& start,
                            const Aggregate* aggregates) {
    for (int i = 0; i < kLanes<Value>; ++i) {
      carry.set(i, M::apply(start, aggregates[i]));
    }
  }
  template <int size>
  UPSWEEP_INLINE static ComplexPack<size> combine(const ComplexPack<size>& a,
                                                  const ComplexPack<size>& b) {
    return {Op::combine(a.parts, b.parts)};
  }
  UPSWEEP_INLINE static Numbers accumulate(const Numbers& sum, const Row& row) {
    return {Op::combine(sum.parts, widened(row))};
  }
  UPSWEEP_INLINE static Numbers accumulate(const Numbers& sum,
                                           const uint64_t* from) {
    auto* parts = reinterpret_cast<const uint32_t*>(from);
    return {Op::combine(sum.parts, load_widened<float>(parts))};
  }

  // The ratios of live prefixes are within 2^±279: no aggregate is lost.
  static constexpr bool kNeedsBounds = false;

  template <int size, class Aggregate>
  static void store(const ComplexPack<size>& sum, Aggregate* aggregates) {
    double parts[2 * size];
    sum.parts.store(parts);
    for (int i = 0; i < size; ++i) {
      aggregates[i] = {parts[2 * i], parts[2 * i + 1]};
    }
  }

  UPSWEEP_INLINE static Pack<float, 2 * n> floats(const Row& row) {
    return parts_of(row).template as<float>();
  }
  UPSWEEP_INLINE static Doubles widened(const Row& row) {
    return widen(floats(row));
  }

 protected:
  // Flags of numbers as flags of their parts.
  struct PartFlags {
    uint8_t of[2 * n];

    explicit PartFlags(const uint8_t* flags) {
      for (int i = 0; i < 2 * n; ++i) of[i] = flags[i / 2];
    }
  };
};

// Sums are those of the parts.
template <>
struct Lanes<Sum<complex64_t>> : ComplexLanes<Sum<complex64_t>, Add> {
  using OfParts = NarrowLanes<Sum<float>>;

  // The scanner of the parts.
  template <class Scanner>
  class Parts {
   public:
    UPSWEEP_INLINE Parts(const Carry& carry, int first)
        : of_(carry.parts, 2 * first) {}

    UPSWEEP_INLINE Row results() const { return row_of(of_.results()); }
    UPSWEEP_INLINE Row step(const Row& row) {
      return row_of(of_.step(parts_of(row)));
    }
    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      of_.reset(PartFlags(flags).of);
    }
    UPSWEEP_INLINE bool suits(const Row&) const { return true; }
    UPSWEEP_INLINE bool is_good() const
      requires requires(const Scanner& of) { of.is_good(); }
    {
      return of_.is_good();
    }
    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      return of_.finish(carry.parts, 2 * first);
    }

   private:
    Scanner of_;
  };
  using Fast = Parts<OfParts::Fast>;
  using FastLines = Fast;
  using Exact = Parts<OfParts::Exact>;

  static Numbers identity() { return {OfParts::identity()}; }

  class PrefixBounds {
   public:
    PrefixBounds() : of_() {}
    UPSWEEP_INLINE void add(const Numbers& sum) { of_.add(sum.parts); }
    void store(double* low, double* high) const { of_.store(low, high); }

   private:
    OfParts::PrefixBounds of_;
  };
  template <class PrefixRange>
  static void store_bounds(const PrefixBounds& bounds, PrefixRange* ranges) {
    double low[2 * n], high[2 * n];
    bounds.store(low, high);
    for (int i = 0; i < n; ++i) {
      ranges[i].re = {low[2 * i], high[2 * i]};
      ranges[i].im = {low[2 * i + 1], high[2 * i + 1]};
    }
  }
  struct ReassociationGuard {
    void add_row(const Row&) {}
    void add_sums(const Numbers&) {}
    bool is_violated() const { return false; }
  };
  class ElementRange {
   public:
    ElementRange() : of_() {}
    UPSWEEP_INLINE void add(const Row& row) { of_.add(parts_of(row)); }
    // That of the sums of all parts, which holds for those of either.
    Sum<complex64_t>::PrefixRange range(int64_t rows) const {
      auto range = of_.range(rows);
      return {range, range};
    }

   private:
    OfParts::ElementRange of_;
  };
};

struct MultiplyComplex {
  template <class P>
  UPSWEEP_INLINE static P combine(const P& r, const P& x) {
    return multiply_complex(r, x);
  }
};

template <>
struct Lanes<Product<complex64_t>>
    : ComplexLanes<Product<complex64_t>, MultiplyComplex> {
  // Computes in double, and checks the range of every row.
  class Exact {
   public:
    UPSWEEP_INLINE Exact(const Carry& carry, int first)
        : r_(Doubles::load(carry.parts.lane + 2 * first)),
          saturated_(are_saturated(r_)) {}

    UPSWEEP_INLINE Row results() const {
      return row_of(canonical(narrow(r_)).template as<uint32_t>());
    }

    UPSWEEP_INLINE Row step(const Row& row) {
      r_ = multiply_complex(r_, widened(row));
      auto y = narrow(r_);
      if (any(Check::failures(magnitude(y)))) [[unlikely]] {
        y = canonical(y);
        saturate(y);
      }
      return row_of(y.template as<uint32_t>());
    }

    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      PartFlags parts(flags);
      auto at = mask_of<int64_t, 2 * n>(parts.of);
      r_ = select(at, identity().parts, r_);
      saturated_ = select(at, Mask::all(0), saturated_);
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      r_.store(carry.parts.lane + 2 * first);
      return !newly_saturated_;
    }

   private:
    // Of magnitudes of floats: other than 0, and finite.
    using Check = RangeCheck<float, 1>;

    UPSWEEP_INLINE static Pack<float, 2 * n> magnitude(
        const Pack<float, 2 * n>& y) {
      return larger_part(abs(y).template as<uint32_t>()).template as<float>();
    }
    UPSWEEP_INLINE static Mask are_saturated(const Doubles& r) {
      auto zero = r == Doubles::all(0);
      return either_part(r - r != Doubles::all(0)) |
             (zero & flip_pairs<-1>(zero));
    }
    // Brings numbers whose results are saturated to these.
    UPSWEEP_INLINE void saturate(const Pack<float, 2 * n>& y) {
      auto value = widen(y);
      auto saturated = are_saturated(value);
      newly_saturated_ |= any(saturated & (saturated_ == Mask::all(0)));
      r_ = select(saturated, value, r_);
      saturated_ = saturated;
    }

    Doubles r_;
    Mask saturated_;
    bool newly_saturated_ = false;
  };
  using Fast = Exact;
  using FastLines = Exact;

  static Numbers identity() {
    double parts[2 * n];
    for (int i = 0; i < 2 * n; ++i) parts[i] = 1 - i % 2;
    return {Doubles::load(parts)};
  }

  // Bounds of the magnitudes of the larger parts. Ignores NaN.
  class PrefixBounds {
   public:
    PrefixBounds() : low_(Doubles::all(1)), high_(low_) {}
    UPSWEEP_INLINE void add(const Numbers& sum) {
      auto at = larger_part(abs(sum.parts));
      low_ = min(at, low_);
      high_ = max(at, high_);
    }
    void store(double* low, double* high) const {
      low_.store(low);
      high_.store(high);
    }

   private:
    Doubles low_, high_;
  };
  template <class PrefixRange>
  static void store_bounds(const PrefixBounds& bounds, PrefixRange* ranges) {
    double low[2 * n], high[2 * n];
    bounds.store(low, high);
    for (int i = 0; i < n; ++i) {
      ranges[i].low = low[2 * i];
      ranges[i].high = high[2 * i];
    }
  }
  // If a product of up to eight numbers was ever subnormal, it stays below
  // 2^-800, and if it was infinite, it stays so or is NaN. Eight products
  // within 2^±60 are safe in any order.
  class ReassociationGuard {
   public:
    ReassociationGuard() : within_(Mask::all(-1)) {}
    void add_row(const Row&) {}
    UPSWEEP_INLINE void add_sums(const Numbers& sum) {
      auto at = larger_part(abs(sum.parts));
      within_ = within_ & (at >= Doubles::all(0x1p-60)) &
                (Doubles::all(0x1p60) >= at);
    }
    bool is_violated() const { return any(within_ == Mask::all(0)); }

   private:
    Mask within_;
  };
  // The range of the elements' squared magnitudes. Ignores NaN: with such an
  // element the aggregate is not usable.
  class ElementRange {
   public:
    ElementRange() : low_(Doubles::all(1)), high_(low_) {}
    UPSWEEP_INLINE void add(const Row& row) {
      auto x = widened(row);
      auto square = x * x;
      auto sum = square + flip_pairs<-1>(square);
      low_ = min(sum, low_);
      high_ = max(sum, high_);
    }
    // The range of products of up to `rows` elements of each lane. The larger
    // part of a number is at least 1 / √2 of its magnitude.
    Product<complex64_t>::PrefixRange range(int64_t rows) const {
      double low[2 * n], high[2 * n];
      low_.store(low);
      high_.store(high);
      double one_low = 1, one_high = 1;
      for (int i = 0; i < 2 * n; i += 2) {
        one_low *= std::sqrt(low[i]);
        one_high *= std::sqrt(high[i]);
      }
      Product<complex64_t>::PrefixRange range;
      for (int64_t i = 0; i < rows; ++i) {
        range.low *= one_low;
        range.high *= one_high;
      }
      range.low /= 2;
      return range;
    }

   private:
    Doubles low_, high_;
  };
};

}  // namespace
}  // namespace upsweep
