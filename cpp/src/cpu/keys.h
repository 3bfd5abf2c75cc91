// Keys: elements as a kernel compares them.
//
// One kernel computes the maxima and minima of signed and unsigned integers of
// one size. It computes the signed maximum of keys, and a key is an element XOR
// a mask: the sign bit turns unsigned order into signed order, and the other
// bits, or all of them, reverse the order. Of bool_ the key is the truth value,
// negated for a minimum. For all other kernels keys are the elements.
#pragma once

#include "../monoid/extremum.h"
#include "simd.h"

namespace upsweep {
namespace {

template <class M>
struct Keys {
  using Value = typename M::Value;
  using Row = Pack<Bits<Value>>;
  static constexpr bool kAreElements = true;

  explicit Keys(uint64_t) {}
  Value of(Value element) const { return element; }
  UPSWEEP_INLINE Row of(const Row& row) const { return row; }
  Value element(Value key) const { return key; }
  UPSWEEP_INLINE Row element(const Row& row) const { return row; }
};

template <class T>
struct Keys<KeyMaximum<T>> {
  using Row = Pack<Bits<T>>;
  static constexpr bool kAreElements = false;

  explicit Keys(uint64_t mask)
      : mask_(static_cast<T>(mask)),
        row_(Row::all(static_cast<Bits<T>>(mask))) {}
  T of(T element) const { return static_cast<T>(element ^ mask_); }
  UPSWEEP_INLINE Row of(const Row& row) const { return row ^ row_; }
  T element(T key) const { return of(key); }
  UPSWEEP_INLINE Row element(const Row& row) const { return of(row); }

 private:
  T mask_;
  Row row_;
};

template <>
struct Keys<TruthMaximum> {
  using Row = Pack<uint8_t>;
  static constexpr bool kAreElements = false;

  explicit Keys(uint64_t mask)
      : mask_(static_cast<uint8_t>(mask)), row_(Row::all(mask_)) {}
  uint8_t of(uint8_t element) const {
    return static_cast<uint8_t>((element != 0) ^ mask_);
  }
  UPSWEEP_INLINE Row of(const Row& row) const {
    auto is_true = (row != Row::all(0)).as<uint8_t>() & Row::all(1);
    return is_true ^ row_;
  }
  uint8_t element(uint8_t key) const {
    return static_cast<uint8_t>(key ^ mask_);
  }
  UPSWEEP_INLINE Row element(const Row& row) const { return row ^ row_; }

 private:
  uint8_t mask_;
  Row row_;
};

}  // namespace
}  // namespace upsweep
