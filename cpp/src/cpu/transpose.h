// Blocks of lines turned into rows of lanes, and back: kernels see sixteen
// neighbouring lines only as rows of sixteen neighbouring elements.
#pragma once

#include "simd.h"

namespace upsweep {
namespace {

template <class V, int... i>
V zip_low(V a, V b, std::integer_sequence<int, i...>) {
  constexpr int n = sizeof...(i);
  return __builtin_shufflevector(a, b, (i % 2 * n + i / 2)...);
}
template <class V, int... i>
V zip_high(V a, V b, std::integer_sequence<int, i...>) {
  constexpr int n = sizeof...(i);
  return __builtin_shufflevector(a, b, (i % 2 * n + n / 2 + i / 2)...);
}

// Elements of a 16-byte vector, which is the side of the square blocks.
template <class U>
constexpr int kSide = 16 / static_cast<int>(sizeof(U));

template <class U>
void transpose_square(Vector<U, kSide<U>>* rows) {
  constexpr int n = kSide<U>;
  constexpr std::make_integer_sequence<int, n> all;
  for (int stage = 1; stage < n; stage *= 2) {
    Vector<U, n> zipped[n];
    for (int i = 0; i < n / 2; ++i) {
      zipped[2 * i] = zip_low(rows[i], rows[i + n / 2], all);
      zipped[2 * i + 1] = zip_high(rows[i], rows[i + n / 2], all);
    }
    for (int i = 0; i < n; ++i) rows[i] = zipped[i];
  }
}

// to[s][l] = from[s * step + l * lane] for `steps` rows of `lanes` lanes; rows
// of `to` are kLanes long. U is an integer of the element's size. What lies
// `ahead` elements further will be needed soon.
template <class U>
void gather(const U* from, int64_t step, int64_t lane, int lanes, int steps,
            U* to, int64_t ahead) {
  constexpr int n = kSide<U>;
  int s = 0;
  if (lanes == kLanes && (step == 1 || step == -1)) {
    for (; s + n <= steps; s += n) {
      const U* block = from + s * step - (step < 0 ? n - 1 : 0);
      for (int l = 0; l < kLanes; l += n) {
        Vector<U, n> rows[n];
        for (int i = 0; i < n; ++i) {
          rows[i] = load_vector<Vector<U, n>>(block + (l + i) * lane);
          if (s % (4 * n) == 0) {
            __builtin_prefetch(block + (l + i) * lane + ahead);
          }
        }
        transpose_square<U>(rows);
        for (int i = 0; i < n; ++i) {
          int row = s + (step < 0 ? n - 1 - i : i);
          store_vector(to + row * kLanes + l, rows[i]);
        }
      }
    }
  }
  for (; s < steps; ++s) {
    for (int l = 0; l < lanes; ++l) {
      to[s * kLanes + l] = from[s * step + l * lane];
    }
  }
}

// to[s * step + l * lane] = from[s][l]. With `streaming`, whole cache lines go
// past the cache where they are aligned.
template <class U>
void scatter(const U* from, U* to, int64_t step, int64_t lane, int lanes,
             int steps, [[maybe_unused]] bool streaming) {
  constexpr int n = kSide<U>;
  int s = 0;
  if (lanes == kLanes && (step == 1 || step == -1)) {
    // One cache line of each line before the next: it is written whole.
    constexpr int run = n * 4;
    for (; s + n <= steps; s += run) {
      int end = s + run < steps - n + 1 ? s + run : steps - (steps - s) % n;
      for (int l = 0; l < kLanes; l += n) {
        for (int b = s; b < end; b += n) {
          Vector<U, n> rows[n];
          for (int i = 0; i < n; ++i) {
            int row = b + (step < 0 ? n - 1 - i : i);
            rows[i] = load_vector<Vector<U, n>>(from + row * kLanes + l);
          }
          transpose_square<U>(rows);
          U* block = to + b * step - (step < 0 ? n - 1 : 0);
          for (int i = 0; i < n; ++i) {
            U* target = block + (l + i) * lane;
#if defined(__x86_64__)
            if (streaming && reinterpret_cast<uintptr_t>(target) % 16 == 0) {
              _mm_stream_si128(reinterpret_cast<__m128i*>(target),
                               reinterpret_cast<__m128i>(rows[i]));
              continue;
            }
#endif
            store_vector(target, rows[i]);
          }
        }
      }
      if (end < s + run) {
        s = end;
        break;
      }
    }
  }
  for (; s < steps; ++s) {
    for (int l = 0; l < lanes; ++l) {
      to[s * step + l * lane] = from[s * kLanes + l];
    }
  }
}

}  // namespace
}  // namespace upsweep
