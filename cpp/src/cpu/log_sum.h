// LogSum: lanes of sums of exponentials, each relative to a scale of its own.
#pragma once

#include "double_pair.h"
#include "exponentials.h"

namespace upsweep {
namespace {

// Lanes of sums: doubles, or pairs of them. Only the heads tell which sums are
// infinite or NaN.
template <int n>
UPSWEEP_INLINE inline Pack<double, n> head(const Pack<double, n>& a) {
  return a;
}
template <int n>
UPSWEEP_INLINE inline Pack<double, n> head(const DoublePair<n>& a) {
  return a.hi;
}
template <int n>
UPSWEEP_INLINE inline Pack<double, n> rounded(const Pack<double, n>& a) {
  return a;
}
template <int n>
UPSWEEP_INLINE inline Pack<double, n> rounded(const DoublePair<n>& a) {
  return a.hi + a.lo;
}
template <int n>
UPSWEEP_INLINE inline Pack<double, n> sum_of(const Pack<double, n>& a,
                                             const Pack<double, n>& b) {
  return a + b;
}
template <int n, class Number>
UPSWEEP_INLINE inline DoublePair<n> sum_of(const DoublePair<n>& a,
                                           const Number& b) {
  return DoubleOp<Sum<double>>::combine(a, b);
}
template <int n>
UPSWEEP_INLINE inline Pack<double, n> scaled(const Pack<double, n>& a,
                                             const Pack<double, n>& factor) {
  return a * factor;
}
template <int n>
UPSWEEP_INLINE inline DoublePair<n> scaled(const DoublePair<n>& a,
                                           const Pack<double, n>& factor) {
  return {a.hi * factor, a.lo * factor};
}
template <class Sum>
UPSWEEP_INLINE inline Sum no_sum() {
  auto zero = Pack<double, Sum::kSize>::all(0);
  if constexpr (std::is_same_v<Sum, decltype(zero)>) {
    return zero;
  } else {
    return Sum(zero, zero);
  }
}

// Scales of no elements, and of sums with an infinity.
constexpr double kLowestScale = std::numeric_limits<double>::lowest();
constexpr double kHighestScale = std::numeric_limits<double>::max();

// An element so far above the scale becomes the scale.
constexpr double kFar = 32;

// A scale close to elements, likely the same for others like them. Sums of the
// same scale add up without exponentials.
template <int n>
UPSWEEP_INLINE inline Pack<double, n> common_scale(const Pack<double, n>& x) {
  using Doubles = Pack<double, n>;
  auto shift = Doubles::all(0x1.8p52);
  auto steps = x * Doubles::all(1 / kScaleStep) + shift - shift;
  return select(abs(x) < Doubles::all(0x1p40), steps * Doubles::all(kScaleStep),
                x);
}

// sum · e^scale. Sum is a Pack of doubles or a DoublePair.
template <class Sum>
struct LogSum {
  static constexpr int kSize = Sum::kSize;
  static constexpr bool kNarrow = std::is_same_v<Sum, Pack<double, kSize>>;
  using Doubles = Pack<double, kSize>;

  Doubles scale;
  Sum sum;

  LogSum() = default;
  LogSum(const Doubles& of_scale, const Sum& of_sum)
      : scale(of_scale), sum(of_sum) {}
  LogSum(const LogSum& other) : scale(other.scale), sum(other.sum) {}
  LogSum& operator=(const LogSum& other) {
    scale = other.scale;
    sum = other.sum;
    return *this;
  }

  // Adds e^x. Returns whether a scale changed or the sum may now be infinite or
  // NaN. New scales are those of common_scale or, if not `common`, elements:
  // then the result of a single element is exact.
  template <bool common>
  UPSWEEP_INLINE bool add(const Doubles& x) {
    auto above = x - scale;
    if (any((above < Doubles::all(kFar)) == Mask::all(0))) [[unlikely]] {
      // Copies, so that these here can stay in registers.
      LogSum r = *this;
      Doubles element = x;
      rescale<common>(r, element);
      *this = r;
      above = element - scale;
      sum = sum_of(sum,
                   exponential<kNarrow>(above, error(element, scale, above)));
      return true;
    }
    sum = sum_of(sum, exponential<kNarrow>(above, error(x, scale, above)));
    return false;
  }

  UPSWEEP_INLINE friend LogSum operator+(const LogSum& a, const LogSum& b) {
    if (any(a.scale != b.scale)) [[unlikely]] {
      LogSum left = a, right = b;
      auto common = max(a.scale, b.scale);
      left.move_to(common);
      right.move_to(common);
      return {common, sum_of(left.sum, right.sum)};
    }
    return {a.scale, sum_of(a.sum, b.sum)};
  }

 private:
  using Mask = Pack<int64_t, kSize>;

  // What `above`, x - of, lost when it was rounded.
  UPSWEEP_INLINE static Doubles error(const Doubles& x, const Doubles& of,
                                      const Doubles& above) {
    auto none = Doubles::all(0);
    if constexpr (kNarrow) {
      return none;
    } else {
      auto part = above - x;
      auto lost = (x - (above - part)) - (of + part);
      return select(above >= Doubles::all(kLeastExponent), lost, none);
    }
  }

  // A sum of many elements may still be the larger part after that.
  UPSWEEP_INLINE void move_to(const Doubles& other) {
    auto above = scale - other;
    auto lost = error(scale, other, above);
    sum = scaled(sum, exponential<kNarrow>(above, lost));
    scale = other;
  }

  // Moves the scales of lanes whose element is far above. Of an infinite
  // element the sum becomes infinite, and the element the new scale.
  template <bool common>
  [[gnu::noinline]] static void rescale(LogSum& r, Doubles& x) {
    auto infinite = x == Doubles::all(std::numeric_limits<double>::infinity());
    auto far = x - r.scale >= Doubles::all(kFar);
    x = select(infinite, Doubles::all(kHighestScale), x);
    auto to = x;
    if constexpr (common) to = select(infinite, x, common_scale(x));
    r.move_to(select(far, to, r.scale));
    r.sum = sum_of(
        r.sum,
        select(infinite, Doubles::all(std::numeric_limits<double>::infinity()),
               Doubles::all(0)));
  }
};

template <class Sum>
UPSWEEP_INLINE inline auto part(const LogSum<Sum>& a, int i) {
  auto sum = part(a.sum, i);
  return LogSum<decltype(sum)>(part(a.scale, i), sum);
}
template <int d, bool second, class Sum>
UPSWEEP_INLINE inline LogSum<Sum> runs(const LogSum<Sum>& a,
                                       const LogSum<Sum>& b) {
  return {runs<d, second>(a.scale, b.scale), runs<d, second>(a.sum, b.sum)};
}

}  // namespace
}  // namespace upsweep
