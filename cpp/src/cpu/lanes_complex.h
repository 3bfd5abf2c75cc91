// Lanes of sums and products of complex64, whose parts are doubles.
#pragma once

#include "lanes_narrow.h"
#include "simd_complex.h"

namespace upsweep {
namespace {

// What sums and products of complex64 have in common.
template <class M>
struct ComplexLanes {
  using Value = complex64_t;
  using Prefix = typename M::Prefix;
  using Row = Pack<uint64_t>;
  using Floats = Pack<float, kRowParts>;
  static constexpr int n = kRowNumbers;
  static constexpr bool kHasStripes = true;

  template <class Aggregate>
  static void start_stripes(auto& carry, const Prefix& start,
                            const Aggregate* aggregates) {
    for (int i = 0; i < kLanes<Value>; ++i) {
      carry.set(i, M::apply(start, aggregates[i]));
    }
  }

  // The ratios of live prefixes are within 2^±279: no aggregate is lost.
  static constexpr bool kNeedsBounds = false;

  template <class Numbers, class Aggregate>
  static void store(const Numbers& sum, Aggregate* aggregates) {
    sum.store(aggregates);
  }

 protected:
  UPSWEEP_INLINE static Floats floats(const Row& row) {
    return parts_of(row).template as<float>();
  }
  UPSWEEP_INLINE static Row row(const Floats& floats) {
    return row_of(floats.template as<uint32_t>());
  }
};

// Sums are those of the parts.
template <>
struct Lanes<Sum<complex64_t>> : ComplexLanes<Sum<complex64_t>> {
  using OfParts = NarrowLanes<Sum<float>>;
  using Numbers = PairedNumbers<n>;

  struct Carry {
    OfParts::Carry parts;

    Prefix get(int i) const { return {parts.get(2 * i), parts.get(2 * i + 1)}; }
    void set(int i, const Prefix& r) {
      parts.set(2 * i, r.re);
      parts.set(2 * i + 1, r.im);
    }
  };

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
      uint8_t of_parts[2 * n];
      for (int i = 0; i < 2 * n; ++i) of_parts[i] = flags[i / 2];
      of_.reset(of_parts);
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
  template <int size>
  UPSWEEP_INLINE static PairedNumbers<size> combine(
      const PairedNumbers<size>& a, const PairedNumbers<size>& b) {
    return {a.parts + b.parts};
  }
  UPSWEEP_INLINE static Numbers accumulate(const Numbers& sum, const Row& row) {
    return {sum.parts + widen(floats(row))};
  }
  UPSWEEP_INLINE static Numbers accumulate(const Numbers& sum,
                                           const uint64_t* from) {
    auto* parts = reinterpret_cast<const uint32_t*>(from);
    return {sum.parts + load_widened<float>(parts)};
  }

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

template <>
struct Lanes<Product<complex64_t>> : ComplexLanes<Product<complex64_t>> {
  using Numbers = SplitNumbers;
  using Doubles = SplitNumbers::Doubles;
  using Mask = Doubles::Mask;

  struct Carry {
    double re[kLanes<Value>], im[kLanes<Value>];

    Prefix get(int i) const {
      return {upsweep::canonical(re[i]), upsweep::canonical(im[i])};
    }
    void set(int i, const Prefix& r) {
      re[i] = r.re;
      im[i] = r.im;
    }
    UPSWEEP_INLINE Numbers load(int first) const {
      return {Doubles::load(re + first), Doubles::load(im + first)};
    }
    UPSWEEP_INLINE void store(int first, const Numbers& r) {
      r.re.store(re + first);
      r.im.store(im + first);
    }
  };

  static Numbers identity() { return {Doubles::all(1), Doubles::all(0)}; }
  UPSWEEP_INLINE static Numbers combine(const Numbers& a, const Numbers& b) {
    return a * b;
  }
  UPSWEEP_INLINE static Numbers accumulate(const Numbers& product,
                                           const Row& row) {
    return product * split_numbers(floats(row));
  }
  // Any lane can take any element.
  UPSWEEP_INLINE static Numbers accumulate(const Numbers& product,
                                           const uint64_t* from) {
    auto* parts = reinterpret_cast<const uint32_t*>(from);
    return product * split_in_any_order(load_widened<float>(parts));
  }

  // The magnitude of the larger part. If a part is infinite or NaN, both are
  // after one more step.
  UPSWEEP_INLINE static Doubles magnitude(const Numbers& a) {
    return max(abs(a.re), abs(a.im));
  }
  // Of magnitudes. Ignores NaN.
  class PrefixBounds {
   public:
    PrefixBounds() : low_(Doubles::all(1)), high_(low_) {}
    UPSWEEP_INLINE void add(const Numbers& product) {
      auto at = magnitude(product);
      low_ = min(at, low_);
      high_ = max(at, high_);
    }
    void store(double* low, double* high) const {
      low_.store(low);
      high_.store(high);
    }
    UPSWEEP_INLINE bool are_within(double lowest, double highest) const {
      return !any((low_ < Doubles::all(lowest)) |
                  (Doubles::all(highest) < high_));
    }

   private:
    Doubles low_, high_;
  };
  template <class PrefixRange>
  static void store_bounds(const PrefixBounds& bounds, PrefixRange* ranges) {
    double low[n], high[n];
    bounds.store(low, high);
    for (int i = 0; i < n; ++i) {
      ranges[i].low = low[i];
      ranges[i].high = high[i];
    }
  }

  // Computes in double, and checks the range once for all rows.
  class Fast {
   public:
    UPSWEEP_INLINE Fast(const Carry& carry, int first)
        : r_(carry.load(first)), lost_(Mask::all(0)) {}

    UPSWEEP_INLINE Row results() const { return row(narrow(r_)); }

    UPSWEEP_INLINE Row step(const Row& row) {
      r_ = accumulate(r_, row);
      bounds_.add(r_);
      return results();
    }

    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      auto at = mask_of<int64_t, n>(flags);
      lost_ = lost_ | (at & is_lost());
      r_ = {select(at, Doubles::all(1), r_.re),
            select(at, Doubles::all(0), r_.im)};
    }

    UPSWEEP_INLINE bool suits(const Row&) const { return true; }
    UPSWEEP_INLINE bool is_good() const {
      return bounds_.are_within(kLowest, kHighest);
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      carry.store(first, r_);
      return is_good() && !any(lost_ | is_lost());
    }

   private:
    // Numbers between them are neither zero nor infinite as floats.
    static constexpr double kLowest = 0x1.000001p-150;
    static constexpr double kHighest = 0x1.fffffep127;

    // The bounds ignore NaN, and what was NaN stays so until a reset.
    UPSWEEP_INLINE Mask is_lost() const {
      return r_.re - r_.re != Doubles::all(0);
    }

    Numbers r_;
    PrefixBounds bounds_;
    Mask lost_;
  };
  using FastLines = Fast;

  // Computes in double, and checks the range of every row.
  class Exact {
   public:
    UPSWEEP_INLINE Exact(const Carry& carry, int first)
        : r_(carry.load(first)), saturated_(are_saturated(r_)) {}

    UPSWEEP_INLINE Row results() const { return row(canonical(narrow(r_))); }

    UPSWEEP_INLINE Row step(const Row& x) {
      r_ = accumulate(r_, x);
      auto y = narrow(r_);
      auto rounded = split_numbers(y);
      auto saturated = are_saturated(rounded);
      if (any(saturated)) [[unlikely]] {
        y = canonical(y);
        r_ = {select(saturated, canonical(rounded.re), r_.re),
              select(saturated, canonical(rounded.im), r_.im)};
        newly_saturated_ |= any(saturated & (saturated_ == Mask::all(0)));
        saturated_ = saturated;
      }
      return row(y);
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      carry.store(first, r_);
      return !newly_saturated_;
    }

   private:
    UPSWEEP_INLINE static Mask are_saturated(const Numbers& r) {
      auto size = magnitude(r);
      return (size - size != Doubles::all(0)) | (size == Doubles::all(0));
    }

    Numbers r_;
    Mask saturated_;
    bool newly_saturated_ = false;
  };

  // If a product of up to eight numbers was ever subnormal, it stays below
  // 2^-800, and if it was infinite, it stays so or is NaN. Eight products
  // within 2^±60 are safe in any order.
  class ReassociationGuard {
   public:
    ReassociationGuard() : within_(Mask::all(-1)) {}
    void add_row(const Row&) {}
    UPSWEEP_INLINE void add_sums(const Numbers& product) {
      auto at = magnitude(product);
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
      auto x = split_numbers(floats(row));
      auto square = x.re * x.re + x.im * x.im;
      low_ = min(square, low_);
      high_ = max(square, high_);
    }
    // The range of products of up to `rows` elements of each lane. The larger
    // part of a number is at least 1 / √2 of its magnitude.
    Product<complex64_t>::PrefixRange range(int64_t rows) const {
      double low[n], high[n];
      low_.store(low);
      high_.store(high);
      double one_low = 1, one_high = 1;
      for (int i = 0; i < n; ++i) {
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
