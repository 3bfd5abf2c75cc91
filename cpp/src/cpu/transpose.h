// Blocks of lines turned into rows of lanes, and back: kernels see
// neighbouring lines only as rows of neighbouring elements.
#pragma once

#include "simd.h"

namespace upsweep {
namespace {

// Elements of 16 bytes, which is the side of the squares that are transposed.
template <class U>
constexpr int kSide = 16 / static_cast<int>(sizeof(U));

// The halves of a and b interleaved, in each of their 16-byte pieces.
template <class U, bool high, class V, int... i>
UPSWEEP_INLINE inline V zip(V a, V b, std::integer_sequence<int, i...>) {
  constexpr int n = sizeof...(i), m = kSide<U>;
  return __builtin_shufflevector(
      a, b, (i / m * m + i % m / 2 + (high ? m / 2 : 0) + i % 2 * n)...);
}

// Transposes the squares that the same pieces of kSide registers make up.
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

// A register of pieces that lie `distance` elements apart in memory.
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

// rows[s] = element s of lines that lie `lane` elements apart, for the kSide
// elements of a block; with step -1, from the last one down.
template <int step, class U>
UPSWEEP_INLINE inline void load_block(const U* from, int64_t lane,
                                      Pack<U>* rows) {
  using V = typename Pack<U>::V;
  constexpr int m = kSide<U>, n = sizeof(V) / sizeof(U);
  for (int part = 0; part < Pack<U>::kParts; ++part) {
    V square[m];
    for (int i = 0; i < m; ++i) {
      square[i] = load_pieces<U, V>(from + (part * n + i) * lane, m * lane);
    }
    transpose_squares<U>(square);
    for (int i = 0; i < m; ++i)
      rows[step > 0 ? i : m - 1 - i].v[part] = square[i];
  }
}

template <int step, class U>
UPSWEEP_INLINE inline void store_block(U* to, int64_t lane,
                                       const Pack<U>* rows) {
  using V = typename Pack<U>::V;
  constexpr int m = kSide<U>, n = sizeof(V) / sizeof(U);
  for (int part = 0; part < Pack<U>::kParts; ++part) {
    V square[m];
    for (int i = 0; i < m; ++i)
      square[i] = rows[step > 0 ? i : m - 1 - i].v[part];
    transpose_squares<U>(square);
    for (int i = 0; i < m; ++i) {
      store_pieces<U>(to + (part * n + i) * lane, m * lane, square[i]);
    }
  }
}

// Lines that are walked along memory, in step 1 or -1.
template <class U, int step>
struct Lines {
  using Row = Pack<std::remove_const_t<U>>;
  static constexpr int m = kSide<U>;

  U* first;
  int64_t lane;

  U* at(int64_t s, int l) const { return first + s * step + l * lane; }

  UPSWEEP_INLINE void load(int64_t s, Row* rows) const {
    load_block<step>(block_at(s), lane, rows);
  }
  UPSWEEP_INLINE void store(int64_t s, const Row* rows) const {
    store_block<step>(block_at(s), lane, rows);
  }

 private:
  U* block_at(int64_t s) const {
    return step > 0 ? first + s : first - s - (m - 1);
  }
};

// to[s][l] = from[s * step + l * lane] for `steps` rows of `lanes` lanes; rows
// of `to` are kLanes<U> long.
template <class U>
void gather(const U* from, int64_t step, int64_t lane, int lanes, int steps,
            U* to) {
  int s = 0;
  auto whole_blocks = [&](auto lines) {
    Pack<U> rows[kSide<U>];
    for (; s + kSide<U> <= steps; s += kSide<U>) {
      lines.load(s, rows);
      for (int i = 0; i < kSide<U>; ++i) {
        rows[i].store(to + (s + i) * kLanes<U>);
      }
    }
  };
  if (lanes == kLanes<U> && step == 1) {
    whole_blocks(Lines<const U, 1>{from, lane});
  } else if (lanes == kLanes<U> && step == -1) {
    whole_blocks(Lines<const U, -1>{from, lane});
  } else if (lanes == kLanes<U> && lane == 1) {
    for (; s < steps; ++s) {
      Pack<U>::load(from + s * step).store(to + s * kLanes<U>);
    }
  }
  for (; s < steps; ++s) {
    for (int l = 0; l < lanes; ++l) {
      to[s * kLanes<U> + l] = from[s * step + l * lane];
    }
  }
}

// to[s * step + l * lane] = from[s][l].
template <class U>
void scatter(const U* from, U* to, int64_t step, int64_t lane, int lanes,
             int steps) {
  int s = 0;
  auto whole_blocks = [&](auto lines) {
    Pack<U> rows[kSide<U>];
    for (; s + kSide<U> <= steps; s += kSide<U>) {
      for (int i = 0; i < kSide<U>; ++i) {
        rows[i] = Pack<U>::load(from + (s + i) * kLanes<U>);
      }
      lines.store(s, rows);
    }
  };
  if (lanes == kLanes<U> && step == 1) {
    whole_blocks(Lines<U, 1>{to, lane});
  } else if (lanes == kLanes<U> && step == -1) {
    whole_blocks(Lines<U, -1>{to, lane});
  } else if (lanes == kLanes<U> && lane == 1) {
    for (; s < steps; ++s) {
      Pack<U>::load(from + s * kLanes<U>).store(to + s * step);
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
