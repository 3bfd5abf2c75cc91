// SaturatedLine: what follows in a line that has left the dtype's range. It
// depends on little: results stay zero or infinite, with the signs of products,
// until an element makes them NaN. So they are written in the order of memory,
// at its speed.
#pragma once

#include "lane_group.h"

namespace upsweep {
namespace {

// The bits of the infinity of a dtype.
template <class T>
constexpr auto kInfinityBits =
    std::bit_cast<Bits<T>>(std::numeric_limits<T>::infinity());
template <>
inline constexpr uint16_t kInfinityBits<float16_t> = 0x7c00;
template <>
inline constexpr uint16_t kInfinityBits<bfloat16_t> = 0x7f80;

template <class M>
class SaturatedLine {
 public:
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using U = Bits<Value>;

  // Scans elements `from` to `to` of a tile of one line, no more than the
  // buffer holds. Advances r.
  static void scan(const Tile& tile, int64_t from, int64_t to, bool inclusive,
                   Prefix& r, StreamingStoreBuffer<U>& store_buffer) {
    int64_t step = tile.in_step;
    auto* in = static_cast<const U*>(tile.in) + from * step;
    auto* out = static_cast<U*>(tile.out) + from * tile.out_step;
    int64_t count = to - from;
    if (step == tile.out_step && (step == 1 || step == -1)) {
      U* lowest = step > 0 ? out : out - (count - 1);
      U* results = tile.streaming ? store_buffer.buffer() : lowest;
      U* first = step > 0 ? results : results + (count - 1);
      step > 0 ? scan_elements<1>(in, first, count, inclusive, r)
               : scan_elements<-1>(in, first, count, inclusive, r);
      if (tile.streaming) store_buffer.send(lowest, count);
      return;
    }
    // Those of a scan that went on for too long are not to come later.
    if (tile.streaming) store_buffer.flush();
    U elements[kPack<U>], results[kPack<U>];
    for (int64_t i = 0; i < count; i += kPack<U>) {
      int64_t some = std::min<int64_t>(kPack<U>, count - i);
      for (int64_t k = 0; k < some; ++k) elements[k] = in[(i + k) * step];
      scan_elements<1>(elements, results, some, inclusive, r);
      for (int64_t k = 0; k < some; ++k) {
        out[(i + k) * tile.out_step] = results[k];
      }
    }
  }

  // Adds the special class of the elements of a tile of one line to a range,
  // and prefetches the next tile.
  static void add_special_class(const Tile& tile,
                                typename M::PrefixRange& range) {
    using L = Lanes<M>;
    auto* in = static_cast<const Value*>(tile.in);
    int64_t done = 0;
    if (tile.in_step == 1 || tile.in_step == -1) {
      int64_t lowest = tile.in_step > 0 ? 0 : n - 1;
      auto sum = L::identity();
      for (; done + n <= tile.length; done += n) {
        auto* row = in + done * tile.in_step - lowest;
        sum = L::accumulate(sum, L::classify(Row::load(row)));
        prefetch(tile.next_read + static_cast<uintptr_t>(done) * sizeof(U));
      }
      double classes[n];
      L::store_classes(sum, classes);
      for (double of_lane : classes) M::add_class(range, of_lane);
    }
    for (; done < tile.length; ++done) {
      M::include(range, M::identity(), in[done * tile.in_step]);
    }
  }

  // Scans a block of stripes that are the lanes of rows. If an element may
  // change the class of a result it returns false and has done nothing.
  static bool scan_rows(const Tile& block, bool inclusive, Prefix& r) {
    U value = bits_of_value(r);
    U size = static_cast<U>(value & ~kSign);
    Row signs[kPacks];
    std::fill_n(signs, kPacks, Row::all(0));
    bool is_nan = size > kInfinityBits<Value>;  // NaN stays
    if (!is_nan) {
      bool infinite = size == kInfinityBits<Value>;
      auto special = Row::all(0) != Row::all(0);
      each_pack(block, [&](const Row& x, U*, int p) UPSWEEP_INLINE {
        special = special | are_special(x, infinite);
        signs[p] = signs[p] ^ x;
      });
      if (any(special)) return false;
    }
    start_lanes(signs, static_cast<U>(value & kSign), r, size);
    auto sizes = Row::all(size), own = Row::all(is_nan ? U{0} : kSign);
    each_pack(block, [&](const Row& x, U* to, int p) UPSWEEP_INLINE {
      auto before = signs[p];
      if constexpr (kProduct) signs[p] = before ^ (x & own);
      (sizes | (inclusive ? signs[p] : before)).store(to);
    });
    return true;
  }

 private:
  static constexpr int n = kPack<U>;
  static constexpr int kPacks = kLanes<U> / n;
  static constexpr bool kProduct = Lanes<M>::kProduct;
  static constexpr U kSign = static_cast<U>(U{1} << (sizeof(U) * 8 - 1));
  using Row = Pack<U>;

  static Row all_signs() { return Row::all(kSign); }

  template <int step>
  static void scan_elements(const U* in, U* out, int64_t count, bool inclusive,
                            Prefix& r) {
    constexpr int64_t lowest =
        step > 0 ? 0 : n - 1;  // of the elements of a row
    constexpr int kLast = step > 0 ? n - 1 : 0;
    int64_t i = 0;
    while (i + n <= count) {
      U value = bits_of_value(r);
      U size = static_cast<U>(value & ~kSign);
      bool infinite = size == kInfinityBits<Value>;
      auto sizes = Row::all(size);
      auto sign = Row::all(static_cast<U>(value & kSign));
      for (; i + n <= count; i += n) {
        auto y = sizes | sign;
        if (size <= kInfinityBits<Value>) {  // NaN stays
          auto x = Row::load(in + i * step - lowest);
          if (has_special(x, infinite)) break;
          if constexpr (kProduct) {
            auto own = x & all_signs();
            sign = sign ^ prefix_xor<step>(own);
            y = sizes | (inclusive ? sign : sign ^ own);
            sign = all_of<kLast>(sign);
          }
        }
        y.store(out + i * step - lowest);
      }
      if constexpr (kProduct) {
        U signs[n];
        sign.store(signs);
        r = prefix_of(static_cast<U>(size | signs[0]));
      }
      int64_t some = i + n <= count ? n : 0;  // a row with a special element
      loop(in + i * step, out + i * step, step, some, inclusive, r);
      i += some;
    }
    loop(in + i * step, out + i * step, step, count - i, inclusive, r);
  }

  // Whether an element may change the class of a result.
  UPSWEEP_INLINE static bool has_special(const Row& x, bool infinite) {
    return any(are_special(x, infinite));
  }
  UPSWEEP_INLINE static auto are_special(const Row& x, bool infinite) {
    auto size = x & Row::all(static_cast<U>(~kSign));
    auto special = size >= Row::all(kInfinityBits<Value>);
    if (kProduct && infinite) special = special | (size == Row::all(0));
    return special;
  }

  // Calls fn(elements, where their results go, pack) for the rows of a block.
  template <class Fn>
  UPSWEEP_INLINE static void each_pack(const Tile& block, const Fn& fn) {
    auto* in = static_cast<const U*>(block.in);
    auto* out = static_cast<U*>(block.out);
    for (int64_t s = 0; s < block.length; ++s) {
      unrolled<kPacks>([&](int p) UPSWEEP_INLINE {
        fn(Row::load(in + s * block.in_step + p * n),
           out + s * block.out_step + p * n, p);
      });
    }
  }

  // Turns the signs of the products of lanes into those that the lanes start
  // with, and advances r over all lanes.
  static void start_lanes(Row* signs, U sign, Prefix& r, U size) {
    if constexpr (kProduct) {
      U lanes[kLanes<U>];
      for (int p = 0; p < kPacks; ++p) signs[p].store(lanes + p * n);
      for (U& lane : lanes) {
        U product = static_cast<U>(lane & kSign);
        lane = sign;
        sign = static_cast<U>(sign ^ product);
      }
      for (int p = 0; p < kPacks; ++p) signs[p] = Row::load(lanes + p * n);
      r = prefix_of(static_cast<U>(size | sign));
    } else {
      std::fill_n(signs, kPacks, Row::all(sign));
    }
  }

  static void loop(const U* in, U* out, int64_t step, int64_t count,
                   bool inclusive, Prefix& r) {
    for (int64_t i = 0; i < count; ++i) {
      U before = bits_of_value(r);
      M::advance(r, std::bit_cast<Value>(in[i * step]));
      out[i * step] = inclusive ? bits_of_value(r) : before;
    }
  }

  static U bits_of_value(const Prefix& r) {
    return std::bit_cast<U>(M::value(r));
  }
  static Prefix prefix_of(U bits) {
    double value = widen(std::bit_cast<Value>(bits));
    if constexpr (std::is_same_v<Value, double>) {
      return {{value}};
    } else {
      return value;
    }
  }
};

// Products of complex numbers are zero until an element is infinite or NaN, and
// soon NaN in both parts if they are not. The signs of zeros take a few
// operations on bits, which wait for each other less long than products do.
template <>
class SaturatedLine<Product<complex64_t>> {
 public:
  using M = Product<complex64_t>;
  using U = uint64_t;

  static void scan(const Tile& tile, int64_t from, int64_t to, bool inclusive,
                   M::Prefix& r, StreamingStoreBuffer<U>& store_buffer) {
    store_buffer.flush();
    auto* in = static_cast<const complex64_t*>(tile.in);
    auto* out = static_cast<complex64_t*>(tile.out);
    U y = std::bit_cast<U>(M::value(r));
    for (int64_t i = from; i < to; ++i) {
      U before = y;
      y = product(y, std::bit_cast<U>(in[i * tile.in_step]));
      out[i * tile.out_step] =
          std::bit_cast<complex64_t>(inclusive ? y : before);
    }
    r = prefix_of(y);
  }

 private:
  static constexpr U kBoth = U{1} << 32 | 1;  // times a part: it, twice
  static constexpr U kReal = U{1} << 31, kSigns = kReal * kBoth;
  static constexpr U kNaNs = 0x7fc00000 * kBoth;

  UPSWEEP_INLINE static U product(U r, U x) {
    if (r == kNaNs) return r;
    if ((r & ~kSigns) == 0 && is_finite(x)) return zero(r, x);
    M::Prefix prefix = prefix_of(r);
    return std::bit_cast<U>(M::advance(prefix, std::bit_cast<complex64_t>(x)));
  }
  static bool is_finite(U x) {
    U size = x & ~kSigns;
    return (size & 0xffffffff) < 0x7f800000 && size >> 32 < 0x7f800000;
  }
  // A zero (s, t) times (a, b) is (sa - tb, sb + ta), and a sum of zeros is
  // negative if both are.
  UPSWEEP_INLINE static U zero(U r, U x) {
    U real = (x & kReal) * kBoth;
    U imaginary = (x >> 32 & kReal) * kBoth;
    U of_real = r ^ real;                           // sa and ta
    U of_imaginary = std::rotl(r, 32) ^ imaginary;  // tb and sb
    return of_real & (of_imaginary ^ kReal) & kSigns;
  }
  static M::Prefix prefix_of(U bits) {
    auto value = std::bit_cast<complex64_t>(bits);
    return {value.real(), value.imag()};
  }
};

// Whether a line that has left the range has a scan of its own.
template <class M>
inline constexpr bool kHasSaturatedLine = HasClasses<M>;
template <>
inline constexpr bool kHasSaturatedLine<Product<complex64_t>> = true;

}  // namespace
}  // namespace upsweep
