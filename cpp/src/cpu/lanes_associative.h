// AssociativeLanes: lanes of integers, and of maxima and minima. The operations
// are exact, so prefixes have the dtype itself.
#pragma once

#include "kernels.h"
#include "lanes.h"

namespace upsweep {
namespace {

// How lanes are held in registers, and the operation on them.
template <class M>
struct AssociativeOp;

// Lanes of one type, in which elements of type T are computed.
template <class T, class OfLane>
struct OneType {
  using Lane = OfLane;
  using Row = Pack<Bits<T>>;
  using Held = Pack<Lane, kPack<T>>;

  UPSWEEP_INLINE static Held open(const Row& row) {
    if constexpr (sizeof(Lane) == sizeof(T)) {
      return row.template as<Lane>();
    } else {
      return floats_of<T>(row);
    }
  }
  UPSWEEP_INLINE static Row close(const Held& lanes) {
    if constexpr (sizeof(Lane) == sizeof(T)) {
      return lanes.template as<Bits<T>>();
    } else {
      return bits_of<T>(lanes);
    }
  }
  // A prefix is held as an element is.
  UPSWEEP_INLINE static Held resume(const Row& row) { return open(row); }
  static Held all(T x) { return Held::all(static_cast<Lane>(x)); }
  template <int n>
  static void store(const Pack<Lane, n>& lanes, T* to) {
    Lane lane[n];
    lanes.store(lane);
    for (int i = 0; i < n; ++i) to[i] = static_cast<T>(lane[i]);
  }

  // Any order gives the same bits.
  struct ReassociationGuard {
    void add_row(const Row&) {}
    void add_sums(const Held&) {}
    bool is_violated() const { return false; }
  };
};

// Products and sums wrap, as unsigned arithmetic is defined to.
template <class T>
  requires is_plain_integer<T>
struct AssociativeOp<Product<T>> : Multiply, OneType<T, Bits<T>> {};
template <class T>
  requires is_plain_integer<T>
struct AssociativeOp<Sum<T>> : Add, OneType<T, Bits<T>> {};
template <class T>
struct AssociativeOp<KeyMaximum<T>> : OneType<T, T> {
  template <int n>
  UPSWEEP_INLINE static Pack<T, n> combine(const Pack<T, n>& a,
                                           const Pack<T, n>& b) {
    return max(a, b);
  }
};
template <>
struct AssociativeOp<TruthMaximum> : OneType<uint8_t, uint8_t> {
  template <int n>
  UPSWEEP_INLINE static Pack<Lane, n> combine(const Pack<Lane, n>& a,
                                              const Pack<Lane, n>& b) {
    return a | b;
  }
};
// float16 and bfloat16 are compared as float32.
template <class T>
using ComparedAs = std::conditional_t<sizeof(T) == 2, float, T>;
template <class T, bool maximum>
  requires is_real<T>
struct AssociativeOp<Extremum<T, maximum>> : OneType<T, ComparedAs<T>> {
  using Lane = ComparedAs<T>;
  template <int n>
  UPSWEEP_INLINE static Pack<Lane, n> combine(const Pack<Lane, n>& a,
                                              const Pack<Lane, n>& b) {
    auto r = select(maximum ? a < b : b < a, b, a);
    return select(b != b, Pack<Lane, n>::all(static_cast<Lane>(kNaN)), r);
  }
};

template <class M>
struct AssociativeLanes {
  using Op = AssociativeOp<M>;
  using Value = typename M::Value;
  using Row = Pack<Bits<Value>>;
  using Held = typename Op::Held;
  static constexpr bool kHasStripes = true;

  struct Carry {
    Value lane[kLanes<Value>];
    Value get(int i) const { return lane[i]; }
    void set(int i, Value r) { lane[i] = r; }
  };

  class Exact {
   public:
    UPSWEEP_INLINE Exact(const Carry& carry, int first)
        : r_(Op::resume(Row::load(carry.lane + first))) {}

    UPSWEEP_INLINE Row results() const { return Op::close(r_); }

    UPSWEEP_INLINE Row step(const Row& x) {
      r_ = Op::combine(r_, Op::open(x));
      return results();
    }

    UPSWEEP_INLINE void reset(const uint8_t* flags) {
      r_ = select(mask_of<Signed<typename Op::Lane>, Held::kSize>(flags),
                  identity(), r_);
    }

    UPSWEEP_INLINE bool finish(Carry& carry, int first) const {
      Op::close(r_).store(carry.lane + first);
      return true;
    }

   private:
    Held r_;
  };
  using Fast = Exact;
  using FastLines = Exact;

  template <class Aggregate>
  static void start_stripes(Carry& carry, Value start,
                            const Aggregate* aggregates) {
    for (int i = 0; i < kLanes<Value>; ++i) {
      Value r = start;
      M::combine(r, aggregates[i]);
      carry.set(i, r);
    }
  }
  static Held identity() { return Op::all(M::initial()); }
  template <class Some>
  UPSWEEP_INLINE static Some combine(const Some& a, const Some& b) {
    return Op::combine(a, b);
  }
  UPSWEEP_INLINE static Held accumulate(const Held& sum, const Row& row) {
    return Op::combine(sum, Op::open(row));
  }
  UPSWEEP_INLINE static Held accumulate(const Held& sum,
                                        const Bits<Value>* from) {
    return accumulate(sum, Row::load(from));
  }

  // Nothing saturates.
  struct PrefixBounds {};
  static constexpr bool kNeedsBounds = false;
  struct ElementRange {};
  using ReassociationGuard = typename Op::ReassociationGuard;
  // The first of equal elements counts. Only zeros can be equal and yet differ,
  // in sign, so an aggregate of zero becomes the first zero of its stripe.
  static void resolve_ties(const Tile& tile, Value* aggregates) {
    if constexpr (is_real<Value>) {
      for (int l = 0; l < kLanes<Value>; ++l) {
        if (!is_zero(aggregates[l])) continue;
        auto* x = static_cast<const Value*>(tile.in) + l * tile.in_lane;
        while (!is_zero(*x)) x += tile.in_step;
        aggregates[l] = *x;
      }
    }
  }
  template <class Some>
  static void store(const Some& sum, Value* aggregates) {
    Op::store(sum, aggregates);
  }

 private:
  static bool is_zero(Value x) { return widen(x) == 0; }
};

template <class T>
  requires is_plain_integer<T>
struct Lanes<Product<T>> : AssociativeLanes<Product<T>> {};
template <class T>
  requires is_plain_integer<T>
struct Lanes<Sum<T>> : AssociativeLanes<Sum<T>> {};
template <class T>
struct Lanes<KeyMaximum<T>> : AssociativeLanes<KeyMaximum<T>> {};
template <>
struct Lanes<TruthMaximum> : AssociativeLanes<TruthMaximum> {};
template <class T, bool maximum>
  requires is_real<T>
struct Lanes<Extremum<T, maximum>> : AssociativeLanes<Extremum<T, maximum>> {};

}  // namespace
}  // namespace upsweep
