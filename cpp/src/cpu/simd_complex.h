// Packs of complex numbers, whose parts are neighbouring lanes: first the real,
// then the imaginary one.
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

// a · b + c of parts of narrow elements. Doubles hold their products so well
// that these may be rounded on their own where there is no fused instruction.
template <int n>
UPSWEEP_INLINE inline Pack<double, n> multiply_add(const Pack<double, n>& a,
                                                   const Pack<double, n>& b,
                                                   const Pack<double, n>& c) {
  if constexpr (kFused) {
    return fma(a, b, c);
  } else {
    return a * b + c;
  }
}

// The product of complex numbers. Of its factors, r goes through the fewer
// steps.
template <int n>
UPSWEEP_INLINE inline Pack<double, n> multiply_complex(
    const Pack<double, n>& r, const Pack<double, n>& x) {
  return multiply_add(flip_pairs<0>(x), r,
                      negate_real(flip_pairs<1>(x)) * flip_pairs<-1>(r));
}

// The larger of two parts, in both lanes.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> larger_part(const Pack<T, n>& a) {
  return max(a, flip_pairs<-1>(a));
}

// Whether a mask is set for either part, in both lanes.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> either_part(const Pack<T, n>& mask) {
  return mask | flip_pairs<-1>(mask);
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
  r.v[0] = reinterpret_cast<typename Pack<uint64_t, kRowNumbers>::V>(parts.v[0]);
  return r;
}

// Complex numbers in doubles, combined as a whole.
template <int n>
struct ComplexPack {
  static constexpr int kSize = n;
  Pack<double, 2 * n> parts;

  ComplexPack() = default;
  ComplexPack(const Pack<double, 2 * n>& of) : parts(of) {}
  // gcc compiles implicit constructors for the baseline instruction set.
  ComplexPack(const ComplexPack& other) : parts(other.parts) {}
  ComplexPack& operator=(const ComplexPack& other) {
    parts = other.parts;
    return *this;
  }
};

template <int n>
UPSWEEP_INLINE inline auto part(const ComplexPack<n>& a, int i) {
  auto parts = part(a.parts, i);
  return ComplexPack<parts.kSize / 2>{parts};
}
template <int d, bool second, int n>
UPSWEEP_INLINE inline ComplexPack<n> runs(const ComplexPack<n>& a,
                                          const ComplexPack<n>& b) {
  return {runs<2 * d, second>(a.parts, b.parts)};
}

}  // namespace
}  // namespace upsweep
