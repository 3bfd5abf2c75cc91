// LogLine: elements of one line, as many at once as a register has lanes: for
// lines too short for stripes, and for what stripes leave.
#pragma once

#include "log_sum.h"

namespace upsweep {
namespace {

template <class T>
class LogLine {
 public:
  using M = LogAddExp<T>;
  using Prefix = typename M::Prefix;

  // Scans elements from a prefix, and advances it.
  static void scan(const T* in, int64_t in_step, T* out, int64_t out_step,
                   int64_t count, bool inclusive, Prefix& r) {
    T before = M::value(r);
    each_row(in, in_step, count, [&](const double* x, int64_t done, int some) {
      T y[n];
      Row row;
      if (row.add(x, r)) {
        row.store(y);
      } else {
        for (int i = 0; i < some; ++i) {
          y[i] = M::advance(r, in[(done + i) * in_step]);
        }
      }
      for (int i = 0; i < some; ++i) {
        out[(done + i) * out_step] = inclusive ? y[i] : before;
        before = y[i];
      }
    });
  }

  // Appends elements to an aggregate.
  static void append(const T* in, int64_t step, int64_t count, Prefix& r) {
    each_row(in, step, count, [&](const double* x, int64_t done, int some) {
      Row row;
      if (row.add(x, r)) return;
      for (int i = 0; i < some; ++i) M::accumulate(r, in[(done + i) * step]);
    });
  }

 private:
  static constexpr int n = kPack<double>;
  using Doubles = Pack<double>;
  using Sum = std::conditional_t<M::kWide, DoublePair<n>, Doubles>;

  // The sums up to each of n elements, all relative to one scale.
  class Row {
   public:
    // Sums up elements and the prefix before them, which becomes that after
    // them. Returns false and changes nothing if one scale does not suit all.
    bool add(const double* x, Prefix& r) {
      if (!find_scale(x, r)) return false;
      Prefix start{scale_};
      start.add(r);
      LogSum<Sum> of_elements(Doubles::all(scale_), no_sum<Sum>());
      of_elements.template add<false>(Doubles::load(x));
      sum_ = sum_of(prefix_sums<1>(of_elements.sum), every(start.sum));
      double sums[n];
      head(sum_).store(sums);
      if constexpr (M::kWide) {
        double low[n];
        sum_.lo.store(low);
        r = {scale_, two_sum(sums[n - 1], low[n - 1])};
      } else {
        r = {scale_, sums[n - 1]};
      }
      return true;
    }

    void store(T* results) const {
      auto sum = rounded(sum_);
      auto y = plus_logarithm<!M::kWide>(Doubles::all(scale_), sum);
      y = select(sum == Doubles::all(0), Doubles::all(-kInfinity), y);
      double wide[n];
      y.store(wide);
      for (int i = 0; i < n; ++i) results[i] = upsweep::narrow<T>(wide[i]);
    }

   private:
    // No sum may become too small a part of a double's range.
    static constexpr double kWidest = 600;

    bool find_scale(const double* x, const Prefix& r) {
      bool has_sum = r.max != -kInfinity;
      double least = has_sum ? r.max : kInfinity, most = -kInfinity;
      for (int i = 0; i < n; ++i) {
        if (x[i] == -kInfinity) continue;
        if (x[i] != x[i]) return false;
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
      }
      scale_ = has_sum ? r.max : x[0];
      if (!(most - scale_ < kFar)) scale_ = most;
      return scale_ - scale_ == 0 && least - scale_ > -kWidest;
    }

    static Sum every(const double& sum) { return Doubles::all(sum); }
    static Sum every(const Wide& sum) {
      return {Doubles::all(sum.hi), Doubles::all(sum.lo)};
    }

    // The sum of each lane and those before it.
    template <int d>
    static Sum prefix_sums(const Sum& a) {
      if constexpr (d >= n) {
        return a;
      } else {
        return prefix_sums<2 * d>(sum_of(a, later<d>(a)));
      }
    }
    template <int d>
    static Doubles later(const Doubles& a) {
      return moved_lanes<d>(a, std::make_integer_sequence<int, n>());
    }
    template <int d>
    static DoublePair<n> later(const DoublePair<n>& a) {
      return {later<d>(a.hi), later<d>(a.lo)};
    }

    double scale_;
    Sum sum_;
  };

  // Calls fn with n elements as doubles, how many come before, and how many of
  // them are there. Those behind the last are -infinity.
  template <class Fn>
  static void each_row(const T* in, int64_t step, int64_t count, const Fn& fn) {
    for (int64_t done = 0; done < count; done += n) {
      auto some = static_cast<int>(std::min<int64_t>(n, count - done));
      double x[n];
      std::fill_n(x, n, -kInfinity);
      for (int i = 0; i < some; ++i) {
        x[i] = upsweep::widen(in[(done + i) * step]);
      }
      fn(x, done, some);
    }
  }
};

}  // namespace
}  // namespace upsweep
