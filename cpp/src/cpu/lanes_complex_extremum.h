// Lanes of maxima and minima of complex64.
#pragma once

#include "lanes_associative.h"
#include "simd_complex.h"

namespace upsweep {
namespace {

// Complex numbers and their keys: integers in the order of the numbers, with
// NaN as the largest. Numbers that differ only in the sign of a zero have the
// same key, so a key does not tell its number.
struct KeyedNumbers {
  static constexpr int kSize = kRowNumbers;
  Pack<uint64_t, kSize> number;
  Pack<int64_t, kSize> key;

  KeyedNumbers() = default;
  KeyedNumbers(const Pack<uint64_t, kSize>& numbers,
               const Pack<int64_t, kSize>& keys)
      : number(numbers), key(keys) {}
  // gcc compiles implicit constructors for the baseline instruction set.
  KeyedNumbers(const KeyedNumbers& other)
      : number(other.number), key(other.key) {}
  KeyedNumbers& operator=(const KeyedNumbers& other) {
    number = other.number;
    key = other.key;
    return *this;
  }
};

UPSWEEP_INLINE inline KeyedNumbers select(
    const Pack<int64_t, kRowNumbers>& mask, const KeyedNumbers& a,
    const KeyedNumbers& b) {
  return {select(mask, a.number, b.number), select(mask, a.key, b.key)};
}
UPSWEEP_INLINE inline KeyedNumbers part(const KeyedNumbers& a, int) {
  return a;
}
template <int d, bool second>
UPSWEEP_INLINE inline KeyedNumbers runs(const KeyedNumbers& a,
                                        const KeyedNumbers& b) {
  return {runs<d, second>(a.number, b.number), runs<d, second>(a.key, b.key)};
}

template <bool maximum>
struct AssociativeOp<Extremum<complex64_t, maximum>> {
  using Lane = int64_t;
  using Row = Pack<uint64_t>;
  using Held = KeyedNumbers;
  using Integers = Pack<int32_t, kRowParts>;

  UPSWEEP_INLINE static Held open(const Row& row) {
    auto nan = is_nan(row);
    return {select(nan, not_a_number(), row), key_of(row, nan)};
  }
  UPSWEEP_INLINE static Row close(const Held& lanes) { return lanes.number; }
  // A prefix that is NaN stays what it is.
  UPSWEEP_INLINE static Held resume(const Row& row) {
    return {row, key_of(row, is_nan(row))};
  }
  static Held all(complex64_t x) {
    return resume(Row::all(std::bit_cast<uint64_t>(x)));
  }
  // The first of equal numbers stays.
  UPSWEEP_INLINE static Held combine(const Held& a, const Held& b) {
    return select(a.key < b.key, b, a);
  }
  static void store(const Held& lanes, complex64_t* to) {
    lanes.number.store(to);
  }

  // Only zeros can be equal and yet differ, in sign. As an integer, a negative
  // zero is the least of all.
  class ReassociationGuard {
   public:
    ReassociationGuard() : least_(Integers::all(0)) {}
    UPSWEEP_INLINE void add_row(const Row& row) {
      least_ = min(least_, parts_of(row).template as<int32_t>());
    }
    void add_sums(const Held&) {}
    bool is_violated() const {
      return any(least_ ==
                 Integers::all(std::numeric_limits<int32_t>::lowest()));
    }

   private:
    Integers least_;
  };

 private:
  using Keys = Pack<int64_t, kRowNumbers>;

  UPSWEEP_INLINE static Row not_a_number() {
    constexpr uint64_t kPart = 0x7fc00000;
    return Row::all(kPart << 32 | kPart);
  }
  // Of the size of a NaN's bits, and only of these, this sum takes the sign
  // bit.
  UPSWEEP_INLINE static Keys is_nan(const Row& row) {
    constexpr uint32_t kInfinite = 0x7f800000, kSize = 0x7fffffff;
    using Parts = Pack<uint32_t, kRowParts>;
    auto size = parts_of(row) & Parts::all(kSize);
    auto sum = row_of(size + Parts::all(kSize - kInfinite));
    constexpr uint64_t kSign = uint64_t{1} << 31;
    return (sum & Row::all(kSign << 32 | kSign)) != Row::all(0);
  }
  // The bits of a part are a sign and a magnitude, which those of negative
  // numbers reverse. The real part comes first; the imaginary part is compared
  // without a sign.
  UPSWEEP_INLINE static Keys key_of(const Row& row, const Keys& nan) {
    auto x = parts_of(row).template as<float>();
    auto bits = (x + Pack<float, kRowParts>::all(0)).template as<int32_t>();
    auto ordered = bits ^ ((bits >> 31) & Integers::all(0x7fffffff));
    auto parts = flip_pairs<-1>(ordered).template as<uint32_t>();
    constexpr uint64_t kSign = uint64_t{1} << 31;
    auto key = row_of(parts) ^ Row::all(maximum ? kSign : ~kSign);
    constexpr auto kLargest = std::numeric_limits<int64_t>::max();
    return select(nan, Keys::all(kLargest), key.template as<int64_t>());
  }
};

template <bool maximum>
struct Lanes<Extremum<complex64_t, maximum>>
    : AssociativeLanes<Extremum<complex64_t, maximum>> {};

}  // namespace
}  // namespace upsweep
