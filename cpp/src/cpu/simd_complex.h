// Packs of complex numbers: their parts are neighbouring lanes, first the real,
// then the imaginary one, or packs of their own.
#pragma once

#include "simd_floats.h"

namespace upsweep {
namespace {

template <int flip, class T, int n, int... i>
UPSWEEP_INLINE inline Pack<T, n> flip_pairs(const Pack<T, n>& a,
                                            std::integer_sequence<int, i...>) {
  Pack<T, n> r;
  for (int p = 0; p < a.kParts; ++p) {
    r.v[p] = __builtin_shufflevector(a.v[p], a.v[p],
                                     (flip < 0 ? i ^ 1 : (i & ~1) + flip)...);
  }
  return r;
}
// Real and imaginary parts exchanged; the real part twice; the imaginary one.
template <int flip, class T, int n>
UPSWEEP_INLINE inline Pack<T, n> flip_pairs(const Pack<T, n>& a) {
  constexpr int size = Pack<T, n>::kPart / static_cast<int>(sizeof(T));
  return flip_pairs<flip>(a, std::make_integer_sequence<int, size>());
}

// a with the signs of the real parts changed.
template <int n>
UPSWEEP_INLINE inline Pack<double, n> negate_real(const Pack<double, n>& a) {
  Pack<uint64_t, n> sign;
  for (int p = 0; p < sign.kParts; ++p) {
    for (int i = 0; i < sign.kPart / 8; ++i) {
      sign.v[p][i] = i % 2 == 0 ? uint64_t{1} << 63 : 0;
    }
  }
  return (a.template as<uint64_t>() ^ sign).template as<double>();
}

// The larger of two parts, in both lanes.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> larger_part(const Pack<T, n>& a) {
  return max(a, flip_pairs<-1>(a));
}

// A row of complex64 elements as the bits of their parts, and back.
constexpr int kRowParts = kPack<float>;
constexpr int kRowNumbers = kRowParts / 2;

UPSWEEP_INLINE inline Pack<uint32_t, kRowParts> parts_of(
    const Pack<uint64_t, kRowNumbers>& row) {
  Pack<uint32_t, kRowParts> r;
  r.v[0] = reinterpret_cast<typename Pack<uint32_t, kRowParts>::V>(row.v[0]);
  return r;
}
UPSWEEP_INLINE inline Pack<uint64_t, kRowNumbers> row_of(
    const Pack<uint32_t, kRowParts>& parts) {
  Pack<uint64_t, kRowNumbers> r;
  r.v[0] =
      reinterpret_cast<typename Pack<uint64_t, kRowNumbers>::V>(parts.v[0]);
  return r;
}

// Numbers whose parts are neighbouring lanes.
template <int n>
struct PairedNumbers {
  static constexpr int kSize = n;
  Pack<double, 2 * n> parts;

  PairedNumbers() = default;
  PairedNumbers(const Pack<double, 2 * n>& of) : parts(of) {}
  // gcc compiles implicit constructors for the baseline instruction set.
  PairedNumbers(const PairedNumbers& other) : parts(other.parts) {}
  PairedNumbers& operator=(const PairedNumbers& other) {
    parts = other.parts;
    return *this;
  }

  template <class Number>
  void store(Number* to) const {
    double of[2 * n];
    parts.store(of);
    for (int i = 0; i < n; ++i) to[i] = {of[2 * i], of[2 * i + 1]};
  }
};

template <int n>
UPSWEEP_INLINE inline auto part(const PairedNumbers<n>& a, int i) {
  auto parts = part(a.parts, i);
  return PairedNumbers<parts.kSize / 2>{parts};
}
template <int d, bool second, int n>
UPSWEEP_INLINE inline PairedNumbers<n> runs(const PairedNumbers<n>& a,
                                            const PairedNumbers<n>& b) {
  return {runs<2 * d, second>(a.parts, b.parts)};
}

// As many numbers as a row has, with a register for each part: to multiply them
// takes no moves of lanes.
struct SplitNumbers {
  static constexpr int kSize = kRowNumbers;
  using Doubles = Pack<double, kSize>;
  Doubles re, im;

  SplitNumbers() = default;
  SplitNumbers(const Doubles& real, const Doubles& imaginary)
      : re(real), im(imaginary) {}
  // gcc compiles implicit constructors for the baseline instruction set.
  SplitNumbers(const SplitNumbers& other) : re(other.re), im(other.im) {}
  SplitNumbers& operator=(const SplitNumbers& other) {
    re = other.re;
    im = other.im;
    return *this;
  }

  template <class Number>
  void store(Number* to) const {
    double real[kSize], imaginary[kSize];
    re.store(real);
    im.store(imaginary);
    for (int i = 0; i < kSize; ++i) to[i] = {real[i], imaginary[i]};
  }
};

UPSWEEP_INLINE inline SplitNumbers operator*(const SplitNumbers& a,
                                             const SplitNumbers& b) {
  auto cross = a.im * b.im;
  for (int i = 0; i < cross.kParts; ++i) cross.v[i] = -cross.v[i];
  return {multiply_add(a.re, b.re, cross),
          multiply_add(a.re, b.im, a.im * b.re)};
}

UPSWEEP_INLINE inline SplitNumbers part(const SplitNumbers& a, int) {
  return a;
}
template <int d, bool second>
UPSWEEP_INLINE inline SplitNumbers runs(const SplitNumbers& a,
                                        const SplitNumbers& b) {
  return {runs<d, second>(a.re, b.re), runs<d, second>(a.im, b.im)};
}

// The lanes of a register of floats, all real parts before all imaginary ones
// or in turns.
template <bool split, int... i>
UPSWEEP_INLINE inline Pack<float, kRowParts> ordered_parts(
    const Pack<float, kRowParts>& a, std::integer_sequence<int, i...>) {
  constexpr int half = kRowNumbers;
  Pack<float, kRowParts> r;
  r.v[0] = __builtin_shufflevector(
      a.v[0], a.v[0],
      (split ? i % half * 2 + i / half : i / 2 + i % 2 * half)...);
  return r;
}
template <bool split>
UPSWEEP_INLINE inline Pack<float, kRowParts> ordered_parts(
    const Pack<float, kRowParts>& a) {
  return ordered_parts<split>(a, std::make_integer_sequence<int, kRowParts>());
}

UPSWEEP_INLINE inline SplitNumbers split_numbers(
    const Pack<float, kRowParts>& row) {
  auto parts = widen(ordered_parts<true>(row));
  SplitNumbers r;
  r.re.v[0] = parts.v[0];
  r.im.v[0] = parts.v[1];
  return r;
}
// The numbers as floats, whose parts are neighbouring lanes.
UPSWEEP_INLINE inline Pack<float, kRowParts> narrow(const SplitNumbers& a) {
  Pack<double, kRowParts> parts;
  parts.v[0] = a.re.v[0];
  parts.v[1] = a.im.v[0];
  return ordered_parts<false>(narrow(parts));
}

// The numbers of parts that are neighbouring lanes, in some order: that of the
// instruction that takes no more than one.
template <bool second, class V, int... i>
UPSWEEP_INLINE inline V every_other(V a, V b,
                                    std::integer_sequence<int, i...>) {
  constexpr int n = sizeof...(i);
  return __builtin_shufflevector(a, b,
                                 (i / 2 * 2 + (second ? 1 : 0) + i % 2 * n)...);
}
UPSWEEP_INLINE inline SplitNumbers split_in_any_order(
    const Pack<double, kRowParts>& parts) {
  constexpr std::make_integer_sequence<int, kRowNumbers> lanes;
  SplitNumbers r;
  r.re.v[0] = every_other<false>(parts.v[0], parts.v[1], lanes);
  r.im.v[0] = every_other<true>(parts.v[0], parts.v[1], lanes);
  return r;
}

}  // namespace
}  // namespace upsweep
