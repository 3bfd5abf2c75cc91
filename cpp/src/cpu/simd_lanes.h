// Moving the lanes of Packs.
#pragma once

#include "simd.h"

namespace upsweep {
namespace {

// Register i of a pack.
template <class T, int n>
UPSWEEP_INLINE inline auto part(const Pack<T, n>& a, int i) {
  using One = Pack<T, Pack<T, n>::kPart / static_cast<int>(sizeof(T))>;
  One r;
  r.v[0] = a.v[i];
  return r;
}

// Combines all lanes, registers and halves of them first: a combination waits
// for few others.
template <class T, int n, class Fn>
UPSWEEP_INLINE inline T fold(const Pack<T, n>& a, const Fn& fn) {
  auto sum = part(a, 0);
  for (int i = 1; i < a.kParts; ++i) sum = fn(sum, part(a, i));
  T lanes[decltype(sum)::kSize];
  sum.store(lanes);
  for (int half = decltype(sum)::kSize / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = fn(lanes[i], lanes[half + i]);
  }
  return lanes[0];
}

// Every other run of d lanes of a and b: the first of each pair, or the second.
template <int d, bool second, class T, int n, int... i>
UPSWEEP_INLINE inline Pack<T, n> runs_of(const Pack<T, n>& a,
                                         const Pack<T, n>& b,
                                         std::integer_sequence<int, i...>) {
  static_assert(Pack<T, n>::kParts == 1);
  constexpr int shift = second ? d : 0;
  Pack<T, n> r;
  r.v[0] = __builtin_shufflevector(a.v[0], b.v[0],
                                   ((i & d ? n + i - d : i) + shift)...);
  return r;
}
template <int d, bool second, class T, int n>
UPSWEEP_INLINE inline Pack<T, n> runs(const Pack<T, n>& a,
                                      const Pack<T, n>& b) {
  return runs_of<d, second>(a, b, std::make_integer_sequence<int, n>());
}

// A register whose lanes are those of a, d lanes later; before them are zeros.
// If d is negative, they are earlier.
template <int d, class T, int n, int... i>
UPSWEEP_INLINE inline Pack<T, n> moved_lanes(const Pack<T, n>& a,
                                             std::integer_sequence<int, i...>) {
  static_assert(Pack<T, n>::kParts == 1);
  typename Pack<T, n>::V zero{};
  Pack<T, n> r;
  r.v[0] = __builtin_shufflevector(
      a.v[0], zero, (i - d >= 0 && i - d < n ? i - d : n + i)...);
  return r;
}

// The lanes of a, d lanes later; before them is `fill`. d is a power of two.
template <int d, class T, int n, int... i>
UPSWEEP_INLINE inline Pack<T, n> later(const Pack<T, n>& a, T fill,
                                       std::integer_sequence<int, i...>) {
  constexpr int lanes = sizeof...(i), whole = d / lanes;
  auto none = Pack<T, n>::all(fill).v[0];
  Pack<T, n> r;
  for (int p = 0; p < r.kParts; ++p) {
    if constexpr (whole > 0) {
      r.v[p] = p < whole ? none : a.v[p - whole];
    } else {
      r.v[p] = __builtin_shufflevector(p > 0 ? a.v[p - 1] : none, a.v[p],
                                       (lanes + i - d)...);
    }
  }
  return r;
}
template <int d, class T, int n>
UPSWEEP_INLINE inline Pack<T, n> later(const Pack<T, n>& a, T fill) {
  constexpr int lanes = Pack<T, n>::kPart / int{sizeof(T)};
  return later<d>(a, fill, std::make_integer_sequence<int, lanes>());
}

// The exclusive or of each lane of a register and all lanes before it, if step
// is 1, or behind it, if step is -1.
template <int step, class T, int n>
UPSWEEP_INLINE inline Pack<T, n> prefix_xor(const Pack<T, n>& a) {
  if constexpr (step >= n || step <= -n) {
    return a;
  } else {
    return prefix_xor<2 * step>(
        a ^ moved_lanes<step>(a, std::make_integer_sequence<int, n>()));
  }
}

// A register with the same lane of a everywhere.
template <int lane, class T, int n, int... i>
UPSWEEP_INLINE inline Pack<T, n> all_of(const Pack<T, n>& a,
                                        std::integer_sequence<int, i...>) {
  static_assert(Pack<T, n>::kParts == 1);
  Pack<T, n> r;
  r.v[0] = __builtin_shufflevector(a.v[0], a.v[0], (i * 0 + lane)...);
  return r;
}
template <int lane, class T, int n>
UPSWEEP_INLINE inline Pack<T, n> all_of(const Pack<T, n>& a) {
  return all_of<lane>(a, std::make_integer_sequence<int, n>());
}

}  // namespace
}  // namespace upsweep
