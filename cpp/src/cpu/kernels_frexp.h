// The kernels of products as mantissas and exponents: double words with an
// exponent of their own.
#pragma once

#include "frexp_kernel.h"
#include "simd_floats.h"
#include "transpose.h"

namespace upsweep {
namespace {

// Magnitudes below 1 that round to 1 in T, by way of float.
template <class T>
constexpr double kRoundsToOne = 1 - 0x1p-25;
template <>
inline constexpr double kRoundsToOne<float16_t> = 1 - 0x1p-12 - 0x1p-25;
template <>
inline constexpr double kRoundsToOne<bfloat16_t> = 1 - 0x1p-9 - 0x1p-25;
template <>
inline constexpr double kRoundsToOne<double> = 1;

template <class T>
struct FrexpLanes {
  using Unit = Bits<T>;
  using Doubles = Pack<double, kPack<T>>;
  using Words = Pack<uint64_t, kPack<T>>;
  using Mask = typename Doubles::Mask;
  static constexpr int n = kLanes<T>;
  static constexpr int kSize = kPack<T>;
  static constexpr bool kIsDouble = std::is_same_v<T, double>;
  // Rows after which products are brought back to between 1 and 2. An element
  // of a narrow dtype is between 2^-149 and 2^128.
  static constexpr int kSteps = 4;

  static uint32_t walk(const FrexpBlock& block, FrexpProducts& products,
                       bool inclusive) {
    alignas(64) Unit rows[kFrexpRows * n];
    if (block.lanes < n) std::fill_n(rows, kFrexpRows * n, Unit{0});
    gather(static_cast<const Unit*>(block.in), block.step, block.lane,
           block.lanes, static_cast<int>(block.rows), rows);
    if (!block.mantissas) {
      return walk_packs<false, false>(block.rows, rows, nullptr, products);
    }
    alignas(64) uint32_t exponents[kFrexpRows * kLanes<uint32_t>];
    uint32_t live =
        inclusive
            ? walk_packs<true, true>(block.rows, rows, exponents, products)
            : walk_packs<true, false>(block.rows, rows, exponents, products);
    auto count = static_cast<int>(block.rows);
    scatter(rows, static_cast<Unit*>(block.mantissas), block.out_step,
            block.out_lane, block.lanes, count);
    scatter(exponents, reinterpret_cast<uint32_t*>(block.exponents),
            block.out_step, block.out_lane, block.lanes, count);
    return live;
  }

 private:
  struct State {
    Doubles hi, lo, exponent;
    Mask ok;
  };

  // Results take the place of the elements.
  template <bool stores, bool inclusive>
  static uint32_t walk_packs(int64_t count, Unit* rows, uint32_t* exponents,
                             FrexpProducts& products) {
    uint32_t live = 0;
    for (int first = 0; first < n; first += kSize) {
      State at{Doubles::load(products.hi + first),
               Doubles::load(products.lo + first),
               Doubles::load(products.exponent + first), Mask::all(-1)};
      for (int64_t s = 0; s < count;) {
        int64_t end = std::min(s + kSteps, count);
        for (; s < end; ++s) {
          Unit* row = rows + s * n + first;
          auto x = load(row);
          uint32_t* to = nullptr;
          if constexpr (stores) to = exponents + s * kLanes<uint32_t> + first;
          if constexpr (stores && !inclusive) store(at, row, to);
          multiply(at, x);
          if constexpr (stores && inclusive) store(at, row, to);
        }
        normalise(at);
      }
      auto size = abs(at.hi);
      auto most = Doubles::all(std::numeric_limits<double>::max());
      at.ok = at.ok & (most >= size) & (size >= Doubles::all(0.5));
      at.hi.store(products.hi + first);
      at.lo.store(products.lo + first);
      at.exponent.store(products.exponent + first);
      int64_t ok[kSize];
      at.ok.store(ok);
      for (int i = 0; i < kSize; ++i) {
        if (ok[i]) live |= uint32_t{1} << (first + i);
      }
    }
    return live;
  }

  UPSWEEP_INLINE static Doubles load(const Unit* row) {
    if constexpr (kIsDouble) {
      return Doubles::load(row);
    } else {
      return load_widened<T>(row);
    }
  }

  // Zeros, infinities and NaNs stay in hi.
  UPSWEEP_INLINE static void multiply(State& at, Doubles x) {
    if constexpr (kIsDouble) {
      auto size = abs(x);
      at.ok = at.ok & (size >= Doubles::all(0x1p-1022)) &
              (Doubles::all(std::numeric_limits<double>::max()) >= size);
      at.exponent = at.exponent + exponent_of(x) - Doubles::all(1);
      x = with_exponent(x, 1023);
    }
    auto hi = at.hi * x;
    at.lo = at.lo * x + error_of(at.hi, x, hi);
    at.hi = hi;
  }

  // a · b - product.
  UPSWEEP_INLINE static Doubles error_of(const Doubles& a, const Doubles& b,
                                         const Doubles& product) {
    if constexpr (kFused) {
      return fms(a, b, product);
    } else {
      // Dekker's: the halves of each have so few bits that products are exact.
      auto half = [](const Doubles& x) UPSWEEP_INLINE {
        auto wide = x * Doubles::all(0x1p27 + 1);
        return wide - (wide - x);
      };
      auto a1 = half(a), b1 = half(b);
      auto a2 = a - a1, b2 = b - b1;
      return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
    }
  }

  // To hi between 1 and 2, and lo within half of its last bit.
  UPSWEEP_INLINE static void normalise(State& at) {
    auto sum = at.hi + at.lo;
    auto lo = at.lo - (sum - at.hi);
    auto bits = abs(sum).template as<uint64_t>();
    Words scale;
    for (int i = 0; i < scale.kParts; ++i) {
      scale.v[i] = (2046 - (bits.v[i] >> 52)) << 52;
    }
    at.exponent = at.exponent + exponent_of(sum) - Doubles::all(1);
    at.hi = sum * scale.template as<double>();
    at.lo = lo * scale.template as<double>();
  }

  // As frexp: that of a number between 0.5 and 1 is 0.
  UPSWEEP_INLINE static Doubles exponent_of(const Doubles& x) {
    // In the last bits of 2^52, an integer is a double.
    constexpr double kInteger = 0x1p52;
    auto bits = abs(x).template as<uint64_t>();
    for (int i = 0; i < bits.kParts; ++i) bits.v[i] >>= 52;
    auto number = bits | Doubles::all(kInteger).template as<uint64_t>();
    return number.template as<double>() - Doubles::all(kInteger + 1022);
  }
  UPSWEEP_INLINE static Doubles with_exponent(const Doubles& x,
                                              uint64_t exponent) {
    auto rest =
        x.template as<uint64_t>() & Words::all(~(uint64_t{0x7ff} << 52));
    return (rest | Words::all(exponent << 52)).template as<double>();
  }

  UPSWEEP_INLINE static void store(const State& at, Unit* row, uint32_t* to) {
    auto y = at.hi + at.lo;
    auto exponent = at.exponent + exponent_of(y);
    auto mantissa = with_exponent(y, 1022);
    if constexpr (!kIsDouble) {
      auto up = abs(mantissa) >= Doubles::all(kRoundsToOne<T>);
      auto sign = y.template as<uint64_t>() & Words::all(uint64_t{1} << 63);
      mantissa =
          select(up, with_exponent(sign.template as<double>(), 1022), mantissa);
      exponent = exponent + select(up, Doubles::all(1), Doubles::all(0));
    }
    auto limit = Doubles::all(kMaxExponent);
    exponent = max(min(exponent, limit), Doubles::all(-kMaxExponent));
    for (int i = 0; i < exponent.kParts; ++i) {
      constexpr int size = Doubles::kPart / 8;
      auto some = __builtin_convertvector(exponent.v[i], Vector<int32_t, size>);
      store_vector(to + i * size, some);
    }
    if constexpr (kIsDouble) {
      mantissa.store(row);
    } else {
      bits_of<T>(narrow(mantissa)).store(row);
    }
  }
};

const FrexpKernel& find_frexp_kernel(Dtype dtype) {
  static constexpr FrexpKernel kHalf{FrexpLanes<float16_t>::n,
                                     FrexpLanes<float16_t>::walk};
  static constexpr FrexpKernel kBfloat{FrexpLanes<bfloat16_t>::n,
                                       FrexpLanes<bfloat16_t>::walk};
  static constexpr FrexpKernel kDouble{FrexpLanes<double>::n,
                                       FrexpLanes<double>::walk};
  static constexpr FrexpKernel kFloat{FrexpLanes<float>::n,
                                      FrexpLanes<float>::walk};
  switch (dtype.val) {
    case Dtype::Val::float16:
      return kHalf;
    case Dtype::Val::bfloat16:
      return kBfloat;
    case Dtype::Val::float64:
      return kDouble;
    default:
      return kFloat;
  }
}

}  // namespace
}  // namespace upsweep
