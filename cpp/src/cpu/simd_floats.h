// Packs of floats, and what converts to and from them.
#pragma once

#include "simd_lanes.h"

namespace upsweep {
namespace {

template <int n>
UPSWEEP_INLINE inline Pack<double, n> widen(const Pack<float, n>& a) {
  Pack<double, n> r;
  for (int i = 0; i < a.kParts; ++i) {
#if defined(UPSWEEP_AVX512)
    r.v[2 * i] = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v[i]));
    r.v[2 * i + 1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v[i], 1));
#elif defined(UPSWEEP_AVX2)
    r.v[2 * i] = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v[i]));
    r.v[2 * i + 1] = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v[i], 1));
#else
    r.v[2 * i] = __builtin_convertvector(
        __builtin_shufflevector(a.v[i], a.v[i], 0, 1), Vector<double, 2>);
    r.v[2 * i + 1] = __builtin_convertvector(
        __builtin_shufflevector(a.v[i], a.v[i], 2, 3), Vector<double, 2>);
#endif
  }
  return r;
}

template <int n>
UPSWEEP_INLINE inline Pack<float, n> narrow(const Pack<double, n>& a) {
  Pack<float, n> r;
  for (int i = 0; i < r.kParts; ++i) {
#if defined(UPSWEEP_AVX512)
    r.v[i] =
        _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.v[2 * i])),
                           _mm512_cvtpd_ps(a.v[2 * i + 1]), 1);
#elif defined(UPSWEEP_AVX2)
    r.v[i] = _mm256_set_m128(_mm256_cvtpd_ps(a.v[2 * i + 1]),
                             _mm256_cvtpd_ps(a.v[2 * i]));
#else
    auto low = __builtin_convertvector(a.v[2 * i], Vector<float, 2>);
    auto high = __builtin_convertvector(a.v[2 * i + 1], Vector<float, 2>);
    r.v[i] = __builtin_shufflevector(low, high, 0, 1, 2, 3);
#endif
  }
  return r;
}

// Elements of a narrow float, given as their bits, as floats, and back.
// Rounding from double goes by way of float: at most 0.5 + 2^-13 ulp.
template <class T>
using FloatsOf = Pack<float, kPack<T>>;

// Clang knows where a float comes from, and compares such floats as the halves
// that they were, lane by lane where there are no instructions for halves.
template <class V>
UPSWEEP_INLINE inline V forget_origin(V v) {
#if defined(UPSWEEP_AVX2)
  asm("" : "+v"(v));
#endif
  return v;
}

template <class T>
UPSWEEP_INLINE inline FloatsOf<T> floats_of(const Pack<Bits<T>>& bits) {
  if constexpr (std::is_same_v<T, float>) {
    return bits.template as<float>();
  } else if constexpr (std::is_same_v<T, bfloat16_t>) {
    // Interleaved with zeros, the bits are those of floats.
    Pack<uint32_t, kPack<T>> r;
#if defined(UPSWEEP_AVX512)
    r.v[0] = reinterpret_cast<Vector<uint32_t, 16>>(_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(bits.v[0])), 16));
#elif defined(UPSWEEP_AVX2)
    auto all = reinterpret_cast<__m256i>(bits.v[0]);
    __m128i half[] = {_mm256_castsi256_si128(all),
                      _mm256_extracti128_si256(all, 1)};
    for (int i = 0; i < 2; ++i) {
      r.v[i] = reinterpret_cast<Vector<uint32_t, 8>>(
          _mm256_slli_epi32(_mm256_cvtepu16_epi32(half[i]), 16));
    }
#else
    Vector<uint16_t, 8> zero{};
    auto low =
        __builtin_shufflevector(zero, bits.v[0], 0, 8, 1, 9, 2, 10, 3, 11);
    auto high =
        __builtin_shufflevector(zero, bits.v[0], 4, 12, 5, 13, 6, 14, 7, 15);
    r.v[0] = reinterpret_cast<Vector<uint32_t, 4>>(low);
    r.v[1] = reinterpret_cast<Vector<uint32_t, 4>>(high);
#endif
    return r.template as<float>();
  } else {
    FloatsOf<T> r;
#if defined(UPSWEEP_AVX512)
    r.v[0] =
        forget_origin(_mm512_cvtph_ps(reinterpret_cast<__m256i>(bits.v[0])));
#elif defined(UPSWEEP_AVX2)
    auto all = reinterpret_cast<__m256i>(bits.v[0]);
    r.v[0] = forget_origin(_mm256_cvtph_ps(_mm256_castsi256_si128(all)));
    r.v[1] = forget_origin(_mm256_cvtph_ps(_mm256_extracti128_si256(all, 1)));
#elif defined(__aarch64__)
    auto half = vreinterpretq_f16_u16(bits.v[0]);
    r.v[0] = vcvt_f32_f16(vget_low_f16(half));
    r.v[1] = vcvt_f32_f16(vget_high_f16(half));
#else
    T lanes[kPack<T>];
    bits.store(lanes);
    for (int i = 0; i < kPack<T>; ++i) {
      r.v[i / 4][i % 4] = static_cast<float>(lanes[i]);
    }
#endif
    return r;
  }
}

template <class T>
UPSWEEP_INLINE inline Pack<Bits<T>> bits_of(const FloatsOf<T>& a) {
  if constexpr (std::is_same_v<T, float>) {
    return a.template as<uint32_t>();
  } else if constexpr (std::is_same_v<T, bfloat16_t>) {
    auto b = a.template as<uint32_t>();
    auto nan = a != a;
    for (int i = 0; i < b.kParts; ++i) {
      // Rounding could carry a NaN over into zero.
      auto rounded = b.v[i] + 0x7fff + ((b.v[i] >> 16) & 1);
      b.v[i] = nan.v[i] ? b.v[i] | 0x400000 : rounded;
    }
    Pack<uint16_t> r;
#if defined(UPSWEEP_AVX512)
    r.v[0] = reinterpret_cast<Vector<uint16_t, 16>>(_mm512_cvtepi32_epi16(
        _mm512_srli_epi32(reinterpret_cast<__m512i>(b.v[0]), 16)));
#elif defined(UPSWEEP_AVX2)
    auto low = _mm256_srli_epi32(reinterpret_cast<__m256i>(b.v[0]), 16);
    auto high = _mm256_srli_epi32(reinterpret_cast<__m256i>(b.v[1]), 16);
    r.v[0] = reinterpret_cast<Vector<uint16_t, 16>>(
        _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8));
#else
    auto low = reinterpret_cast<Vector<uint16_t, 8>>(b.v[0]);
    auto high = reinterpret_cast<Vector<uint16_t, 8>>(b.v[1]);
    r.v[0] = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
#endif
    return r;
  } else {
    Pack<uint16_t> r;
#if defined(UPSWEEP_AVX512)
    r.v[0] = reinterpret_cast<Vector<uint16_t, 16>>(
        _mm512_cvtps_ph(a.v[0], _MM_FROUND_TO_NEAREST_INT));
#elif defined(UPSWEEP_AVX2)
    r.v[0] = reinterpret_cast<Vector<uint16_t, 16>>(
        _mm256_set_m128i(_mm256_cvtps_ph(a.v[1], _MM_FROUND_TO_NEAREST_INT),
                         _mm256_cvtps_ph(a.v[0], _MM_FROUND_TO_NEAREST_INT)));
#elif defined(__aarch64__)
    auto half = vcombine_f16(vcvt_f16_f32(a.v[0]), vcvt_f16_f32(a.v[1]));
    r.v[0] = vreinterpretq_u16_f16(half);
#else
    T lanes[kPack<T>];
    for (int i = 0; i < kPack<T>; ++i) lanes[i] = T(a.v[i / 4][i % 4]);
    r = Pack<uint16_t>::load(lanes);
#endif
    return r;
  }
}

// What widen gives for elements in memory. Of floats, half a register at a
// time: to load them costs less than to take a register apart.
template <class T>
UPSWEEP_INLINE inline Pack<double, kPack<T>> load_widened(const Bits<T>* from) {
#if defined(UPSWEEP_AVX2)
  if constexpr (std::is_same_v<T, float>) {
    Pack<double, kPack<T>> r;
    for (int i = 0; i < r.kParts; ++i) {
      const Bits<T>* part = from + i * (kRegister / 8);
#if defined(UPSWEEP_AVX512)
      r.v[i] = _mm512_cvtps_pd(load_vector<__m256>(part));
#else
      r.v[i] = _mm256_cvtps_pd(load_vector<__m128>(part));
#endif
    }
    return r;
  }
#endif
  return widen(floats_of<T>(Pack<Bits<T>>::load(from)));
}

}  // namespace
}  // namespace upsweep
