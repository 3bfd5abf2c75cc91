// LogLanes: logaddexp of real numbers. A lane keeps a sum of exponentials
// relative to a scale, which follows the line: it stays as long as elements are
// not far above it.
#pragma once

#include "log_line.h"

namespace upsweep {
namespace {

template <class T>
struct LogLanes {
  using M = LogAddExp<T>;
  using Prefix = typename M::Prefix;
  using Row = Pack<Bits<T>>;
  static constexpr int n = kPack<T>;
  static constexpr bool kNarrow = !M::kWide;
  using Doubles = Pack<double, n>;
  using Sums =
      LogSum<std::conditional_t<kNarrow, Pack<double, n>, DoublePair<n>>>;
  static constexpr bool kHasStripes = true;
  using Line = LogLine<T>;

  struct Carry {
    double scale[kLanes<T>], sum[kLanes<T>], low[kLanes<T>];

    Prefix get(int i) const { return prefix_of(scale[i], sum[i], low[i]); }
    void set(int i, const Prefix& r) {
      Wide total{r.sum};
      scale[i] = r.max;
      if (r.max - r.max != 0) {
        // Nothing is below all scales, and an infinity above them.
        bool none = r.max == -kInfinity;
        total = {none ? 0 : r.max};
        scale[i] = none ? kLowestScale : kHighestScale;
      }
      sum[i] = total.hi;
      low[i] = total.lo;
    }
  };

  class Exact {
   public:
    UPSWEEP_INLINE Exact(const Carry& carry, int first)
        : r_(Doubles::load(carry.scale + first), load_sums(carry, first)),
          some_special_(true) {}

    UPSWEEP_INLINE Row results() const {
      auto y = plus_logarithm<kNarrow>(r_.scale, rounded(r_.sum));
      return close(any(is_special()) ? with_special(y) : y);
    }

    UPSWEEP_INLINE Row step(const Row& row) {
      some_special_ |= r_.template add<false>(open(row));
      auto y = plus_logarithm<kNarrow>(r_.scale, rounded(r_.sum));
      if (some_special_) [[unlikely]] {
        y = with_special(y);
        some_special_ = any(is_special());
      }
      return close(y);
    }

    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      auto at = mask_of<int64_t, n>(flags);
      auto none = identity();
      r_.scale = select(at, none.scale, r_.scale);
      if constexpr (kNarrow) {
        r_.sum = select(at, none.sum, r_.sum);
      } else {
        r_.sum.hi = select(at, none.sum.hi, r_.sum.hi);
        r_.sum.lo = select(at, none.sum.lo, r_.sum.lo);
      }
      some_special_ = true;
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      r_.scale.store(carry.scale + first);
      head(r_.sum).store(carry.sum + first);
      if constexpr (!kNarrow) r_.sum.lo.store(carry.low + first);
      return true;
    }

   private:
    // Sums of no elements, or of infinities or NaN.
    UPSWEEP_INLINE Pack<int64_t, n> is_special() const {
      auto sum = head(r_.sum);
      auto ordinary = (sum < Doubles::all(kInfinity)) & (Doubles::all(0) < sum);
      return ordinary == Pack<int64_t, n>::all(0);
    }
    UPSWEEP_INLINE Doubles with_special(const Doubles& y) const {
      auto sum = head(r_.sum);
      auto of_none = sum == Doubles::all(0);
      auto special = select(of_none, Doubles::all(-kInfinity), canonical(sum));
      return select(is_special(), special, y);
    }
    UPSWEEP_INLINE static auto load_sums(const Carry& carry, int first) {
      if constexpr (kNarrow) {
        return Doubles::load(carry.sum + first);
      } else {
        return DoublePair<n>(Doubles::load(carry.sum + first),
                             Doubles::load(carry.low + first));
      }
    }

    Sums r_;
    bool some_special_;
  };
  using Fast = Exact;
  using FastLines = Exact;

  template <class Aggregate>
  static void start_stripes(Carry& carry, const Prefix& start,
                            const Aggregate* aggregates) {
    for (int i = 0; i < kLanes<T>; ++i) {
      carry.set(i, M::apply(start, aggregates[i]));
    }
  }
  static Sums identity() {
    return {Doubles::all(kLowestScale), no_sum<decltype(Sums::sum)>()};
  }
  // No elements, at a scale that suits some rows.
  static Sums identity_for(const Bits<T>* rows, int64_t step, int count) {
    auto most = floats(Row::load(rows));
    for (int i = 1; i < count; ++i) {
      most = max(floats(Row::load(rows + i * step)), most);
    }
    auto scale = Doubles::all(kLowestScale);
    auto highest = widened(most);
    auto finite = highest - highest == Doubles::all(0);
    return {select(finite, common_scale(highest), scale),
            no_sum<decltype(Sums::sum)>()};
  }
  template <class Sum>
  UPSWEEP_INLINE static LogSum<Sum> combine(const LogSum<Sum>& a,
                                            const LogSum<Sum>& b) {
    return a + b;
  }
  UPSWEEP_INLINE static Sums accumulate(const Sums& sum, const Row& row) {
    Sums r = sum;
    r.template add<true>(open(row));
    return r;
  }
  UPSWEEP_INLINE static Sums accumulate(const Sums& sum, const Bits<T>* from) {
    return accumulate(sum, Row::load(from));
  }

  // Any aggregate is right, and applies.
  struct PrefixBounds {};
  static constexpr bool kNeedsBounds = false;
  struct ElementRange {};
  struct ReassociationGuard {
    void add_row(const Row&) {}
    template <class Sum>
    void add_sums(const Sum&) {}
    bool is_violated() const { return false; }
  };
  template <class Sum, class Aggregate>
  static void store(const LogSum<Sum>& r, Aggregate* aggregates) {
    constexpr int size = LogSum<Sum>::kSize;
    double scale[size], sum[size], low[size] = {};
    r.scale.store(scale);
    head(r.sum).store(sum);
    if constexpr (!kNarrow) r.sum.lo.store(low);
    for (int i = 0; i < size; ++i) {
      aggregates[i] = prefix_of(scale[i], sum[i], low[i]);
    }
  }

 private:
  static Prefix prefix_of(double scale, double sum, double low) {
    if (sum == 0) return {};
    if (sum - sum != 0) return {upsweep::canonical(sum)};
    if constexpr (kNarrow) {
      return {scale, sum};
    } else {
      return {scale, two_sum(sum, low)};
    }
  }

  UPSWEEP_INLINE static auto floats(const Row& row) {
    if constexpr (kNarrow) {
      return floats_of<T>(row);
    } else {
      return row.template as<double>();
    }
  }
  template <class Floats>
  UPSWEEP_INLINE static Doubles widened(const Floats& floats) {
    if constexpr (kNarrow) {
      return widen(floats);
    } else {
      return floats;
    }
  }
  UPSWEEP_INLINE static Doubles open(const Row& row) {
    return widened(floats(row));
  }
  UPSWEEP_INLINE static Row close(const Doubles& y) {
    if constexpr (kNarrow) {
      return bits_of<T>(narrow(y));
    } else {
      return y.template as<uint64_t>();
    }
  }
};

template <class T>
  requires is_real<T>
struct Lanes<LogAddExp<T>> : LogLanes<T> {};

}  // namespace
}  // namespace upsweep
