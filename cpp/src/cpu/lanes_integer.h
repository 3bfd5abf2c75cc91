// Lanes of integers: exact, so that running results are of the dtype itself.
#pragma once

#include "lanes.h"

namespace upsweep {
namespace {

template <class M>
struct IntegerOp;

// Products and sums wrap; unsigned arithmetic is defined to.
template <class T>
struct IntegerOp<Product<T>> {
  using Lane = std::make_unsigned_t<T>;
  static Pack<Lane> combine(const Pack<Lane>& a, const Pack<Lane>& b) {
    return a * b;
  }
};
template <class T>
struct IntegerOp<Sum<T>> {
  using Lane = std::make_unsigned_t<T>;
  static Pack<Lane> combine(const Pack<Lane>& a, const Pack<Lane>& b) {
    return a + b;
  }
};
template <class T, bool maximum>
struct IntegerOp<Extremum<T, maximum>> {
  using Lane = T;
  static Pack<T> combine(const Pack<T>& a, const Pack<T>& b) {
    return select(maximum ? a < b : b < a, b, a);
  }
};

template <class M>
struct IntegerLanes {
  using Op = IntegerOp<M>;
  using Lane = typename Op::Lane;
  using Value = typename M::Value;
  static constexpr bool kSegments = true;

  struct Carry {
    Value lane[kLanes];
    Value get(int i) const { return lane[i]; }
    void set(int i, Value r) { lane[i] = r; }
  };

  template <bool inclusive>
  static bool advance(Rows<Value> rows, Carry& carry) {
    auto r = Pack<Lane>::load(carry.lane);
    for (int64_t s = 0; s < rows.count; ++s, rows.next()) {
      rows.prefetch();
      auto next = Op::combine(r, Pack<Lane>::load(rows.in));
      put(rows, inclusive ? next : r);
      r = next;
    }
    r.store(carry.lane);
    return true;
  }

  // The operations commute, so that any lane may take any element.
  template <bool bounded>
  struct Fold {
    Pack<Lane> total;
    Fold() : total(Pack<Lane>::all(static_cast<Lane>(M::start()))) {}
    void add(const Value* row, int64_t) {
      total = Op::combine(total, Pack<Lane>::load(row));
    }
    template <class Summary>
    void finish(Summary& summary) const {
      Value lane[kLanes];
      total.store(lane);
      for (Value x : lane) M::combine(summary.total, x);
    }
    template <class Summary>
    void finish_lanes(Summary* summaries) const {
      Value lane[kLanes];
      total.store(lane);
      for (int i = 0; i < kLanes; ++i) summaries[i].total = lane[i];
    }
  };

 private:
  static void put(const Rows<Value>& rows, const Pack<Lane>& y) {
    // A result narrower than a register may not be aligned to one.
    if (sizeof(Value) >= 4 && rows.streaming) {
      return stream(reinterpret_cast<Lane*>(rows.out), y);
    }
    y.store(rows.out);
  }
};

template <class T>
  requires is_plain_integer<T>
struct Lanes<Product<T>> : IntegerLanes<Product<T>> {};
template <class T>
  requires is_plain_integer<T>
struct Lanes<Sum<T>> : IntegerLanes<Sum<T>> {};
template <class T, bool maximum>
  requires is_plain_integer<T>
struct Lanes<Extremum<T, maximum>> : IntegerLanes<Extremum<T, maximum>> {};

}  // namespace
}  // namespace upsweep
