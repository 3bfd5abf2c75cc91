// Lanes of integers, and of maxima and minima of real numbers: exact, so that
// running results are of the dtype itself.
#pragma once

#include "kernels.h"
#include "lanes.h"

namespace upsweep {
namespace {

// The type that lanes are held in, and the operation on them.
template <class M>
struct ExactOp;

// Products and sums wrap; unsigned arithmetic is defined to.
template <class T>
  requires is_plain_integer<T>
struct ExactOp<Product<T>> : Multiply {
  using Lane = Bits<T>;
};
template <class T>
  requires is_plain_integer<T>
struct ExactOp<Sum<T>> : Add {
  using Lane = Bits<T>;
};
template <class T, bool maximum>
  requires is_plain_integer<T> || is_real<T>
struct ExactOp<Extremum<T, maximum>> {
  // float16 and bfloat16 compare as the floats that they are.
  using Lane = std::conditional_t<sizeof(T) == 2 && is_real<T>, float, T>;
  template <int n>
  UPSWEEP_INLINE static Pack<Lane, n> combine(const Pack<Lane, n>& a,
                                              const Pack<Lane, n>& b) {
    auto r = select(maximum ? a < b : b < a, b, a);
    if constexpr (is_real<T>) {
      r = select(b != b, Pack<Lane, n>::all(static_cast<Lane>(kNaN)), r);
    }
    return r;
  }
};

template <class M>
struct ExactLanes {
  using Op = ExactOp<M>;
  using Lane = typename Op::Lane;
  using Value = typename M::Value;
  using Row = Pack<Bits<Value>>;
  using Held = Pack<Lane, kPack<Value>>;
  static constexpr bool kSegments = true;

  struct Carry {
    Value lane[kLanes<Value>];
    Value get(int i) const { return lane[i]; }
    void set(int i, Value r) { lane[i] = r; }
  };

  class Careful {
   public:
    UPSWEEP_INLINE Careful(const Carry& carry, int first)
        : r_(open(Row::load(carry.lane + first))) {}

    UPSWEEP_INLINE Row results() const { return close(r_); }

    UPSWEEP_INLINE Row step(const Row& x) {
      r_ = Op::combine(r_, open(x));
      return results();
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      close(r_).store(carry.lane + first);
      return true;
    }

   private:
    Held r_;
  };
  using Calm = Careful;
  using Steady = Careful;
  using Mixed = Careful;

  template <class Total>
  static void enter(Carry& carry, Value start, const Total* totals) {
    for (int i = 0; i < kLanes<Value>; ++i) {
      Value r = start;
      M::combine(r, totals[i]);
      carry.set(i, r);
    }
  }
  static Held neutral() { return Held::all(static_cast<Lane>(M::start())); }
  template <int n>
  UPSWEEP_INLINE static Pack<Lane, n> merge(const Pack<Lane, n>& a,
                                            const Pack<Lane, n>& b) {
    return Op::combine(a, b);
  }
  UPSWEEP_INLINE static Held combine(const Held& sum, const Row& row) {
    return Op::combine(sum, open(row));
  }
  UPSWEEP_INLINE static Held combine(const Held& sum, const Bits<Value>* from) {
    return combine(sum, Row::load(from));
  }

  // Nothing is ever lost.
  struct Bounds {};
  static constexpr bool kBoundsTell = false;
  struct Extremes {};
  struct Mildness {
    void add_row(const Row&) {}
    void add_sums(const Held&) {}
    bool is_violated() const { return false; }
  };
  // Of equal elements the first one counts. Equal and yet different are zeros
  // of both signs only, so a total that is zero becomes the segment's first.
  static void resolve_ties(const Tile& tile, Value* totals) {
    if constexpr (is_real<Value>) {
      for (int l = 0; l < kLanes<Value>; ++l) {
        if (!is_zero(totals[l])) continue;
        auto* x = static_cast<const Value*>(tile.in) + l * tile.in_lane;
        while (!is_zero(*x)) x += tile.in_step;
        totals[l] = *x;
      }
    }
  }
  template <int n, class Total>
  static void store(const Pack<Lane, n>& sum, Total* totals) {
    Lane lane[n];
    sum.store(lane);
    for (int i = 0; i < n; ++i) totals[i] = static_cast<Value>(lane[i]);
  }

 private:
  static bool is_zero(Value x) { return widen(x) == 0; }

  UPSWEEP_INLINE static Held open(const Row& row) {
    if constexpr (sizeof(Lane) == sizeof(Value)) {
      return row.template as<Lane>();
    } else {
      return floats_of<Value>(row);
    }
  }
  UPSWEEP_INLINE static Row close(const Held& lanes) {
    if constexpr (sizeof(Lane) == sizeof(Value)) {
      return lanes.template as<Bits<Value>>();
    } else {
      return bits_of<Value>(lanes);
    }
  }
};

template <class T>
  requires is_plain_integer<T>
struct Lanes<Product<T>> : ExactLanes<Product<T>> {};
template <class T>
  requires is_plain_integer<T>
struct Lanes<Sum<T>> : ExactLanes<Sum<T>> {};
template <class T, bool maximum>
  requires is_plain_integer<T> || is_real<T>
struct Lanes<Extremum<T, maximum>> : ExactLanes<Extremum<T, maximum>> {};

}  // namespace
}  // namespace upsweep
