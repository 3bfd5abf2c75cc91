// Lanes of float32, float16 and bfloat16: products and sums whose running
// results are plain doubles.
#pragma once

#include "lanes.h"

namespace upsweep {
namespace {

// What a product and a sum of narrow floats differ in, lane by lane.
template <class M>
struct NarrowOp;

template <class T>
struct NarrowOp<Product<T>> {
  static Pack<double> combine(const Pack<double>& a, const Pack<double>& b) {
    return a * b;
  }
  // Magnitudes, as bits of a float, of results that are alive: above half of
  // the smallest number of T, below half a step over the largest.
  static constexpr uint32_t kLowest =
      std::bit_cast<uint32_t>(static_cast<float>(Limits<T>::min / 2)) + 1;
};
template <class T>
struct NarrowOp<Sum<T>> {
  static Pack<double> combine(const Pack<double>& a, const Pack<double>& b) {
    return a + b;
  }
  static constexpr uint32_t kLowest = 0;
};

// The magnitude, as bits of a float, that rounds to infinity in T.
template <class T>
constexpr uint32_t kOverflow = 0x7f800000;
template <>
inline constexpr uint32_t kOverflow<float16_t> =
    std::bit_cast<uint32_t>(65520.f);
template <>
inline constexpr uint32_t kOverflow<bfloat16_t> = 0x7f7f8000;

template <class M>
struct NarrowLanes {
  using Op = NarrowOp<M>;
  using Value = typename M::Value;
  static constexpr bool kSegments = true;

  struct Carry {
    double lane[kLanes];
    double get(int i) const { return lane[i]; }
    void set(int i, double r) { lane[i] = r; }
  };

  // Lanes whose result has left the range.
  static Pack<int32_t> dead(const Pack<float>& y) {
    auto magnitude = y.as<uint32_t>() & Pack<uint32_t>::all(0x7fffffff);
    return (magnitude - Pack<uint32_t>::all(Op::kLowest)) >=
           Pack<uint32_t>::all(kOverflow<Value> - Op::kLowest);
  }

  // r and y of the lanes that are dead as M::advance would leave them.
  [[gnu::noinline]] static void bury(const Pack<int32_t>& dead, Pack<double>& r,
                                     Pack<float>& y) {
    float values[kLanes];
    double runnings[kLanes];
    int32_t is_dead[kLanes];
    y.store(values);
    r.store(runnings);
    dead.store(is_dead);
    for (int i = 0; i < kLanes; ++i) {
      if (!is_dead[i]) continue;
      runnings[i] = canonical(widen(narrow<Value>(values[i])));
      values[i] = static_cast<float>(runnings[i]);
    }
    r = Pack<double>::load(runnings);
    y = Pack<float>::load(values);
  }

  template <bool inclusive>
  static bool advance(Rows<Value> rows, Carry& carry) {
    auto r = Pack<double>::load(carry.lane);
    auto before = narrow(r);
    bool alive = true;
    for (int64_t s = 0; s < rows.count; ++s, rows.next()) {
      rows.prefetch();
      r = Op::combine(r, widen(load_floats(rows.in)));
      auto y = narrow(r);
      auto out_of_range = dead(y);
      if (any(out_of_range)) [[unlikely]] {
        bury(out_of_range, r, y);
        alive = false;
      }
      put(rows, inclusive ? y : before);
      if constexpr (!inclusive) before = y;
    }
    r.store(carry.lane);
    return alive;
  }

  template <bool bounded>
  struct Fold {
    Pack<double> total, low, high;
    Fold() : total(Pack<double>::all(M::none())), low(total), high(total) {}

    void add(const Value* row, int64_t i) {
      total = Op::combine(total, widen(load_floats(row)));
      // A lane takes every sixteenth element: its product can leave the range
      // of a double where those of neighbours do not. Four factors cannot take
      // it from kSafe to where it would lose precision.
      if (bounded || (kProduct && i % 4 == 3)) {
        auto at = kProduct ? abs(total) : total;
        low = min(low, at);
        high = max(high, at);
      }
    }

    // A prefix of the line is a combination of one prefix of each lane, so
    // that the bounds combine as the totals do.
    template <class Summary>
    void finish(Summary& summary) const {
      double part = fold_lanes(total);
      if constexpr (kProduct) {
        constexpr double kSafe = 0x1p400;
        auto lost = (low < Pack<double>::all(1 / kSafe)) |
                    (Pack<double>::all(kSafe) < high) | (total != total);
        if (any(lost)) part = kNaN;
      }
      if constexpr (bounded) {
        double at = kProduct ? std::abs(summary.total) : summary.total;
        double least = M::apply(at, fold_lanes(low));
        double most = M::apply(at, fold_lanes(high));
        auto& range = summary.range;
        range.low = range.low < least ? range.low : least;
        range.high = range.high > most ? range.high : most;
      }
      M::append(summary.total, part);
    }

    template <class Summary>
    void finish_lanes(Summary* summaries) const {
      double lane[kLanes], bottom[kLanes], top[kLanes];
      total.store(lane);
      low.store(bottom);
      high.store(top);
      for (int i = 0; i < kLanes; ++i) {
        summaries[i].total = lane[i];
        summaries[i].range.low = bottom[i];
        summaries[i].range.high = top[i];
      }
    }
  };

 private:
  static constexpr bool kProduct = std::is_same_v<M, Product<Value>>;

  static double fold_lanes(const Pack<double>& pack) {
    double lane[kLanes];
    pack.store(lane);
    for (int n = kLanes / 2; n > 0; n /= 2) {
      for (int i = 0; i < n; ++i) lane[i] = M::apply(lane[i], lane[i + n]);
    }
    return lane[0];
  }

  static void put(const Rows<Value>& rows, const Pack<float>& y) {
    if constexpr (std::is_same_v<Value, float>) {
      if (rows.streaming) return stream(rows.out, y);
    }
    store_floats(rows.out, y);
  }
};

template <class T>
  requires is_real<T> && (!std::is_same_v<T, double>)
struct Lanes<Product<T>> : NarrowLanes<Product<T>> {};
template <class T>
  requires is_real<T> && (!std::is_same_v<T, double>)
struct Lanes<Sum<T>> : NarrowLanes<Sum<T>> {};

}  // namespace
}  // namespace upsweep
