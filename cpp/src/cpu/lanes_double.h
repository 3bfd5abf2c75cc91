// Lanes of float64: products and sums whose running results are Wide. Eight at
// a time, so that both halves stay in registers.
#pragma once

#include "lanes.h"

namespace upsweep {
namespace {

using Half = Pack<double, kLanes / 2>;

struct WideHalf {
  Half hi, lo;
};

// The exact sum and product of double and Wide, lane by lane, as in Wide.
inline WideHalf fast_two_sum(const Half& a, const Half& b) {
  Half hi = a + b;
  return {hi, b - (hi - a)};
}

template <class M>
struct DoubleOp;

template <>
struct DoubleOp<Product<double>> {
  static WideHalf combine(const WideHalf& a, const Half& x) {
    Half p = a.hi * x;
    return fast_two_sum(p, fma(a.lo, x, fma(a.hi, x, Half::all(0) - p)));
  }
  // The mantissa stays where it needs no new exponent.
  static Half::Mask fine(const Half& hi) {
    Half at = abs(hi);
    return (at >= Half::all(Product<double>::kLow)) &
           (Half::all(Product<double>::kHigh) >= at);
  }
  static constexpr bool kScaled = true;
};

template <>
struct DoubleOp<Sum<double>> {
  static WideHalf combine(const WideHalf& a, const Half& x) {
    Half hi = a.hi + x;
    Half part = hi - a.hi;
    Half error = (a.hi - (hi - part)) + (x - part);
    return fast_two_sum(hi, a.lo + error);
  }
  static Half::Mask fine(const Half& hi) {
    return abs(hi) < Half::all(kInfinity);
  }
  static constexpr bool kScaled = false;
};

template <class M>
struct DoubleLanes {
  using Op = DoubleOp<M>;
  using Value = double;
  using Running = typename M::Running;
  static constexpr bool kSegments = true;

  struct Carry {
    double hi[kLanes], lo[kLanes];
    double scale[kLanes];  // 2^exponent, or zero where that is no normal number
    int64_t exponent[kLanes];

    Running get(int i) const {
      if constexpr (Op::kScaled) {
        return {{hi[i], lo[i]}, exponent[i]};
      } else {
        return {hi[i], lo[i]};
      }
    }
    void set(int i, const Running& r) {
      if constexpr (Op::kScaled) {
        hi[i] = r.mantissa.hi;
        lo[i] = r.mantissa.lo;
        exponent[i] = r.exponent;
        bool normal = r.exponent >= -1022 && r.exponent <= 1023;
        scale[i] = normal ? std::ldexp(1., static_cast<int>(r.exponent)) : 0;
      } else {
        hi[i] = r.hi;
        lo[i] = r.lo;
        exponent[i] = 0;
        scale[i] = 1;
      }
    }
  };

  template <bool inclusive>
  static bool advance(Rows<Value> rows, Carry& carry) {
    bool alive = true;
    for (int first = 0; first < kLanes; first += kLanes / 2) {
      alive &= advance_half<inclusive>(rows, carry, first);
      rows.in += kLanes / 2;
      rows.out += kLanes / 2;
    }
    return alive;
  }

  template <bool bounded>
  struct Fold {
    WideHalf total[2] = {{Half::all(kNeutral), Half::all(0)},
                         {Half::all(kNeutral), Half::all(0)}};
    Half low[2] = {total[0].hi, total[0].hi};
    Half high[2] = {total[0].hi, total[0].hi};

    void add(const Value* row, int64_t) {
      for (int h = 0; h < 2; ++h) {
        total[h] = Op::combine(total[h], Half::load(row + h * kLanes / 2));
        if constexpr (bounded || Op::kScaled) {
          Half at = Op::kScaled ? abs(total[h].hi) : total[h].hi;
          low[h] = min(low[h], at);
          high[h] = max(high[h], at);
        }
      }
    }

    // A prefix of the line is a combination of one prefix of each lane. The
    // bounds of a product are binary exponents, each rounded down.
    template <class Summary>
    void finish(Summary& summary) const {
      Summary lane[kLanes];
      finish_lanes(lane);
      for (const Summary& each : lane) {
        M::append(summary.total, each.total);
        summary.range.low += each.range.low;
        summary.range.high += each.range.high + (Op::kScaled ? 1 : 0);
      }
    }

    template <class Summary>
    void finish_lanes(Summary* summaries) const {
      for (int h = 0; h < 2; ++h) {
        double hi[kLanes / 2], lo[kLanes / 2], bottom[kLanes / 2],
            top[kLanes / 2];
        total[h].hi.store(hi);
        total[h].lo.store(lo);
        low[h].store(bottom);
        high[h].store(top);
        for (int i = 0; i < kLanes / 2; ++i) {
          Summary& summary = summaries[h * kLanes / 2 + i];
          bool lost = is_lost(hi[i], bottom[i], top[i]);
          summary.total = total_of(lost ? Wide{kNaN} : Wide{hi[i], lo[i]});
          M::widen(summary.range, total_of({bottom[i]}), kNeutral);
          M::widen(summary.range, total_of({top[i]}), kNeutral);
        }
      }
    }
  };

 private:
  static constexpr double kNeutral = Op::kScaled ? 1 : 0;

  // A product that has come so close to the end of the range that its error
  // term would be rounded says nothing any more.
  static bool is_lost(double product, double lowest, double highest) {
    constexpr double kSafe = 0x1p900;
    return Op::kScaled &&
           !(lowest > 1 / kSafe && highest < kSafe && product == product);
  }

  static typename M::Total total_of(Wide value) {
    if constexpr (Op::kScaled) {
      typename M::Total total{value, 0};
      M::append(total, M::none());  // which minds the exponent
      return total;
    } else {
      return value;
    }
  }

  template <bool inclusive>
  static bool advance_half(Rows<Value> rows, Carry& carry, int first) {
    bool alive = true;
    WideHalf r;
    Half scale;
    typename Half::Mask buried;  // lanes that were dead before
    bool plain;                  // no lane has an exponent
    auto reload = [&] {
      r = {Half::load(carry.hi + first), Half::load(carry.lo + first)};
      scale = Half::load(carry.scale + first);
      plain = !any(scale != Half::all(1));
      auto hi = r.hi - r.hi;
      buried = (hi != Half::all(0));
      if constexpr (Op::kScaled) buried = buried | (r.hi == Half::all(0));
    };
    reload();
    for (int64_t s = 0; s < rows.count; ++s, rows.next()) {
      rows.prefetch();
      Half x = Half::load(rows.in);
      WideHalf next = Op::combine(r, x);
      Half y = next.hi;
      auto fine = Op::fine(y);
      if (!plain) {
        y = y * scale;
        Half size = abs(y);
        fine = fine & (size >= Half::all(0x1p-1022)) &
               (size < Half::all(kInfinity));
      }
      if (any(fine == Half::Mask::all(0))) [[unlikely]] {
        // What is dead is a plain double; for the rest of what is not fine
        // there is the loop.
        Half followed = follow(r.hi, x);
        fine = fine | (buried & (followed == followed));
        if (any(fine == Half::Mask::all(0)) || !plain) {
          alive &= advance_row<inclusive>(rows, carry, first, r);
          reload();
          continue;
        }
        next.hi = select(buried, followed, next.hi);
        next.lo = select(buried, Half::all(0), next.lo);
        y = next.hi;
        alive = false;
      }
      if constexpr (inclusive) {
        put(rows, y);
      } else {
        put(rows, plain ? r.hi : r.hi * scale);
      }
      r = next;
    }
    r.hi.store(carry.hi + first);
    r.lo.store(carry.lo + first);
    return alive;
  }

  static Half follow(const Half& hi, const Half& x) {
    if constexpr (Op::kScaled) {
      return hi * x;
    } else {
      return hi + x;
    }
  }

  // One row by M::advance; returns whether all its results are alive.
  template <bool inclusive>
  [[gnu::noinline]] static bool advance_row(const Rows<Value>& rows,
                                            Carry& carry, int first,
                                            const WideHalf& r) {
    r.hi.store(carry.hi + first);
    r.lo.store(carry.lo + first);
    bool alive = true;
    for (int i = 0; i < kLanes / 2; ++i) {
      Running running = carry.get(first + i);
      Value before = M::value(running);
      Value y = M::advance(running, rows.in[i]);
      rows.out[i] = inclusive ? y : before;
      alive &= M::is_alive(running);
      carry.set(first + i, running);
    }
    return alive;
  }

  static void put(const Rows<Value>& rows, const Half& y) {
    if (rows.streaming) return stream(rows.out, y);
    y.store(rows.out);
  }
};

template <>
struct Lanes<Product<double>> : DoubleLanes<Product<double>> {};
template <>
struct Lanes<Sum<double>> : DoubleLanes<Sum<double>> {};

}  // namespace
}  // namespace upsweep
