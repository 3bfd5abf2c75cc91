// Transposes blocks of lines into rows of lanes and back, so that kernels only
// see rows.
#pragma once

#include "simd.h"

namespace upsweep {
namespace {

// The side of the squares that are transposed: elements in 16 bytes.
template <class U>
constexpr int kSide = 16 / static_cast<int>(sizeof(U));

// Interleaves the halves of a and b in each 16-byte piece.
template <class U, bool high, class V, int... i>
UPSWEEP_INLINE inline V zip(V a, V b, std::integer_sequence<int, i...>) {
  constexpr int n = sizeof...(i), m = kSide<U>;
  return __builtin_shufflevector(
      a, b, (i / m * m + i % m / 2 + (high ? m / 2 : 0) + i % 2 * n)...);
}

// Transposes kSide registers: the same piece of each makes up a square.
template <class U, class V>
UPSWEEP_INLINE inline void transpose_squares(V* rows) {
  constexpr int m = kSide<U>;
  constexpr std::make_integer_sequence<int, sizeof(V) / sizeof(U)> all;
  for (int stage = 1; stage < m; stage *= 2) {
    V zipped[m];
    for (int i = 0; i < m / 2; ++i) {
      zipped[2 * i] = zip<U, false>(rows[i], rows[i + m / 2], all);
      zipped[2 * i + 1] = zip<U, true>(rows[i], rows[i + m / 2], all);
    }
    for (int i = 0; i < m; ++i) rows[i] = zipped[i];
  }
}

template <class V, int... i>
UPSWEEP_INLINE inline auto concatenate(V a, V b,
                                       std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, i...);
}
template <int first, class V, int... i>
UPSWEEP_INLINE inline auto lanes_of(V v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (first + i)...);
}

// Loads a register of pieces that are `distance` elements apart in memory.
template <class U, class V>
UPSWEEP_INLINE inline V load_pieces(const U* from, int64_t distance) {
  if constexpr (sizeof(V) == 16) {
    return load_vector<V>(from);
#if defined(UPSWEEP_AVX2)
  } else if constexpr (sizeof(V) == 32) {
    auto low = load_vector<__m128i>(from);
    auto high = load_vector<__m128i>(from + distance);
    return reinterpret_cast<V>(
        _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
#endif
  } else {
    constexpr int n = sizeof(V) / sizeof(U);
    using Half = Vector<U, n / 2>;
    return concatenate(
        load_pieces<U, Half>(from, distance),
        load_pieces<U, Half>(from + n / 2 / kSide<U> * distance, distance),
        std::make_integer_sequence<int, n>());
  }
}
template <class U, class V>
UPSWEEP_INLINE inline void store_pieces(U* to, int64_t distance, V v) {
  if constexpr (sizeof(V) == 16) {
    store_vector(to, v);
#if defined(UPSWEEP_AVX2)
  } else if constexpr (sizeof(V) == 32) {
    auto both = reinterpret_cast<__m256i>(v);
    store_vector(to, _mm256_castsi256_si128(both));
    store_vector(to + distance, _mm256_extracti128_si256(both, 1));
#endif
  } else {
    constexpr int n = sizeof(V) / sizeof(U), half = n / 2;
    constexpr std::make_integer_sequence<int, half> lanes;
    store_pieces<U>(to, distance, lanes_of<0>(v, lanes));
    store_pieces<U>(to + half / kSide<U> * distance, distance,
                    lanes_of<half>(v, lanes));
  }
}

// Lines along memory, in step 1 or -1, `lane` elements apart. If `distance` is
// not 0 it is that number at compile time, which saves a register for each
// line.
template <class U, int step, int distance = 0>
class Lines {
 public:
  using Row = Pack<std::remove_const_t<U>>;
  using V = typename Row::V;
  static constexpr int m = kSide<U>;

  Lines(U* first, int64_t lane)
      : first_(first), lane_(distance ? distance : lane) {}

  U* at(int64_t s, int64_t l) const { return first_ + s * step + l * lane(); }

  // rows[i] = element s + i of the lines l, l + 1, …, one in each lane of a
  // pack; for kSide rows.
  UPSWEEP_INLINE void load(int64_t s, int64_t l, Row* rows) const {
    V square[m];
    for (int i = 0; i < m; ++i) {
      square[i] =
          load_pieces<std::remove_const_t<U>, V>(lowest(s, l + i), m * lane());
    }
    transpose_squares<U>(square);
    for (int i = 0; i < m; ++i) rows[step > 0 ? i : m - 1 - i].v[0] = square[i];
  }
  UPSWEEP_INLINE void store(int64_t s, int64_t l, const Row* rows) const {
    V square[m];
    for (int i = 0; i < m; ++i) square[i] = rows[step > 0 ? i : m - 1 - i].v[0];
    transpose_squares<U>(square);
    for (int i = 0; i < m; ++i) {
      store_pieces<U>(lowest(s, l + i), m * lane(), square[i]);
    }
  }

 private:
  // The lowest address of elements s to s + m - 1.
  U* lowest(int64_t s, int64_t l) const {
    return at(step > 0 ? s : s + m - 1, l);
  }
  int64_t lane() const { return distance ? distance : lane_; }

  U* first_;
  int64_t lane_;
};

// gather and scatter for lines along memory, square by square. The last square
// overlaps the one before it if they do not fit. They return the number of rows
// that they moved: 0 if there are too few for a square. All is in locals: a
// reference that is captured is loaded again after each store.
template <class U, class LineSet>
UPSWEEP_INLINE inline int gather_squares(const LineSet lines, int steps,
                                         U* first) {
  if (steps < kSide<U>) return 0;
  for (int next = 0; next < steps; next += kSide<U>) {
    int s = std::min(next, steps - kSide<U>);
    U* to = first + s * kLanes<U>;
    unrolled<kLanes<U> / kPack<U>>([&](int p) UPSWEEP_INLINE {
      Pack<U> rows[kSide<U>];
      lines.load(s, p * kPack<U>, rows);
      for (int i = 0; i < kSide<U>; ++i) {
        rows[i].store(to + i * kLanes<U> + p * kPack<U>);
      }
    });
  }
  return steps;
}
template <class U, class LineSet>
UPSWEEP_INLINE inline int scatter_squares(const U* first, const LineSet lines,
                                          int steps) {
  if (steps < kSide<U>) return 0;
  for (int next = 0; next < steps; next += kSide<U>) {
    int s = std::min(next, steps - kSide<U>);
    const U* from = first + s * kLanes<U>;
    unrolled<kLanes<U> / kPack<U>>([&](int p) UPSWEEP_INLINE {
      Pack<U> rows[kSide<U>];
      for (int i = 0; i < kSide<U>; ++i) {
        rows[i] = Pack<U>::load(from + i * kLanes<U> + p * kPack<U>);
      }
      lines.store(s, p * kPack<U>, rows);
    });
  }
  return steps;
}

// to[s][l] = from[s * step + l * lane] for `steps` rows of `lanes` lanes; rows
// of `to` are kLanes<U> long.
template <class U>
void gather(const U* from, int64_t step, int64_t lane, int lanes, int steps,
            U* to) {
  int s = 0;
  if (lanes == kLanes<U> && step == 1) {
    s = gather_squares<U>(Lines<const U, 1>{from, lane}, steps, to);
  } else if (lanes == kLanes<U> && step == -1) {
    s = gather_squares<U>(Lines<const U, -1>{from, lane}, steps, to);
  } else if (lanes == kLanes<U> && lane == 1) {
    for (; s < steps; ++s) {
      std::memcpy(to + s * kLanes<U>, from + s * step, sizeof(U) * kLanes<U>);
    }
  }
  for (; s < steps; ++s) {
    // complex64 is only aligned to its halves.
    auto load = [&](int l) {
      std::memcpy(to + s * kLanes<U> + l, from + s * step + l * lane,
                  sizeof(U));
    };
    if (lanes == kLanes<U>) {
      unrolled<kLanes<U>>(load);
    } else {
      for (int l = 0; l < lanes; ++l) load(l);
    }
  }
}

// to[s * step + l * lane] = from[s][l].
template <class U>
void scatter(const U* from, U* to, int64_t step, int64_t lane, int lanes,
             int steps) {
  int s = 0;
  if (lanes == kLanes<U> && step == 1) {
    s = scatter_squares<U>(from, Lines<U, 1>{to, lane}, steps);
  } else if (lanes == kLanes<U> && step == -1) {
    s = scatter_squares<U>(from, Lines<U, -1>{to, lane}, steps);
  } else if (lanes == kLanes<U> && lane == 1) {
    for (; s < steps; ++s) {
      std::memcpy(to + s * step, from + s * kLanes<U>, sizeof(U) * kLanes<U>);
    }
  }
  for (; s < steps; ++s) {
    for (int l = 0; l < lanes; ++l) {
      to[s * step + l * lane] = from[s * kLanes<U> + l];
    }
  }
}

}  // namespace
}  // namespace upsweep
