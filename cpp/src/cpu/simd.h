// Pack: sixteen lanes of one type in as many registers as they take on the
// instruction set that this file is compiled for.
//
// Everything here has internal linkage: each kernels_*.cpp compiles its own
// copy for its own instruction set, and none may stand in for another's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "upsweep/dtype.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace upsweep {
namespace {

// Lanes of a type: a cache line of them or less.
template <class T>
constexpr int kLanes = sizeof(T) == 8 ? 8 : 16;

// For what runs once a row: a call would keep rows from staying in registers.
#define UPSWEEP_INLINE __attribute__((always_inline))

#if defined(UPSWEEP_AVX512)
constexpr int kRegister = 64;
#elif defined(UPSWEEP_AVX2)
constexpr int kRegister = 32;
#else
constexpr int kRegister = 16;
#endif

template <class T, int n>
struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * n)));
};
template <class T, int n>
using Vector = typename VectorOf<T, n>::type;

template <class V>
UPSWEEP_INLINE inline V load_vector(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class V>
UPSWEEP_INLINE inline void store_vector(void* to, V v) {
  std::memcpy(to, &v, sizeof v);
}

// The signed integer of a type's size: what comparing its lanes gives.
template <class T>
using Signed = std::conditional_t<
    sizeof(T) == 8, int64_t,
    std::conditional_t<sizeof(T) == 4, int32_t,
                       std::conditional_t<sizeof(T) == 2, int16_t, int8_t>>>;

template <class T>
using Bits = std::make_unsigned_t<Signed<T>>;

template <class T, int n = kLanes<T>>
struct Pack {
  // Narrow types may fill less than one register.
  static constexpr int kBytes = static_cast<int>(sizeof(T)) * n;
  static constexpr int kPart = kBytes < kRegister ? kBytes : kRegister;
  static constexpr int kParts = kBytes / kPart;
  static constexpr int kSize = n;
  using V = Vector<T, kPart / static_cast<int>(sizeof(T))>;
  using Mask = Pack<Signed<T>, n>;

  V v[kParts];

  Pack() = default;
  // Register by register: gcc would copy the struct by other pieces, and
  // through memory.
  Pack(const Pack& other) { *this = other; }
  Pack& operator=(const Pack& other) {
    for (int i = 0; i < kParts; ++i) v[i] = other.v[i];
    return *this;
  }

  UPSWEEP_INLINE static Pack load(const void* from) {
    Pack p;
    for (int i = 0; i < kParts; ++i) {
      p.v[i] = load_vector<V>(static_cast<const char*>(from) + i * kPart);
    }
    return p;
  }
  UPSWEEP_INLINE void store(void* to) const {
    for (int i = 0; i < kParts; ++i) {
      store_vector(static_cast<char*>(to) + i * kPart, v[i]);
    }
  }
  UPSWEEP_INLINE static Pack all(T x) {
    Pack p;
    for (int i = 0; i < kParts; ++i) p.v[i] = x - V{};
    return p;
  }

  // The bits of the lanes as another type of the same size.
  template <class To>
  UPSWEEP_INLINE Pack<To, n> as() const {
    Pack<To, n> to;
    for (int i = 0; i < kParts; ++i) {
      to.v[i] = reinterpret_cast<typename Pack<To, n>::V>(v[i]);
    }
    return to;
  }
};

#define UPSWEEP_PACK_OPERATOR(op)                                     \
  template <class T, int n>                                           \
  UPSWEEP_INLINE inline Pack<T, n> operator op(const Pack<T, n>& a,   \
                                               const Pack<T, n>& b) { \
    Pack<T, n> r;                                                     \
    for (int i = 0; i < r.kParts; ++i) r.v[i] = a.v[i] op b.v[i];     \
    return r;                                                         \
  }
UPSWEEP_PACK_OPERATOR(+)
UPSWEEP_PACK_OPERATOR(-)
UPSWEEP_PACK_OPERATOR(*)
UPSWEEP_PACK_OPERATOR(&)
UPSWEEP_PACK_OPERATOR(|)
#undef UPSWEEP_PACK_OPERATOR

#define UPSWEEP_PACK_COMPARISON(op)                                         \
  template <class T, int n>                                                 \
  UPSWEEP_INLINE inline typename Pack<T, n>::Mask operator op(              \
      const Pack<T, n>& a, const Pack<T, n>& b) {                           \
    typename Pack<T, n>::Mask r;                                            \
    for (int i = 0; i < r.kParts; ++i) {                                    \
      r.v[i] =                                                              \
          reinterpret_cast<typename Pack<T, n>::Mask::V>(a.v[i] op b.v[i]); \
    }                                                                       \
    return r;                                                               \
  }
UPSWEEP_PACK_COMPARISON(<)
UPSWEEP_PACK_COMPARISON(>=)
UPSWEEP_PACK_COMPARISON(==)
UPSWEEP_PACK_COMPARISON(!=)
#undef UPSWEEP_PACK_COMPARISON

// Stores past the cache; the address is a multiple of the register's size.
template <class T, int n>
UPSWEEP_INLINE inline void stream(T* to, const Pack<T, n>& a) {
#if defined(__x86_64__)
  for (int i = 0; i < Pack<T, n>::kParts; ++i) {
    char* part = reinterpret_cast<char*>(to) + i * Pack<T, n>::kPart;
    if constexpr (Pack<T, n>::kPart == 64) {
#if defined(UPSWEEP_AVX512)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(part),
                          reinterpret_cast<__m512i>(a.v[i]));
#endif
    } else if constexpr (Pack<T, n>::kPart == 32) {
#if defined(UPSWEEP_AVX2)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(part),
                          reinterpret_cast<__m256i>(a.v[i]));
#endif
    } else {
      _mm_stream_si128(reinterpret_cast<__m128i*>(part),
                       reinterpret_cast<__m128i>(a.v[i]));
    }
  }
#else
  a.store(to);
#endif
}

// Lanes of a where the mask is set, of b elsewhere.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> select(const typename Pack<T, n>::Mask& mask,
                                        const Pack<T, n>& a,
                                        const Pack<T, n>& b) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) {
    r.v[i] = mask.v[i] ? a.v[i] : b.v[i];
  }
  return r;
}

// Whether any lane of a mask is set.
template <class T, int n>
UPSWEEP_INLINE inline bool any(const Pack<T, n>& mask) {
  auto folded = mask.v[0];
  for (int i = 1; i < Pack<T, n>::kParts; ++i) folded |= mask.v[i];
  if constexpr (Pack<T, n>::kPart == 64) {
    auto words = reinterpret_cast<Vector<int64_t, 8>>(folded);
    auto half = __builtin_shufflevector(words, words, 0, 1, 2, 3) |
                __builtin_shufflevector(words, words, 4, 5, 6, 7);
    auto quarter = __builtin_shufflevector(half, half, 0, 1) |
                   __builtin_shufflevector(half, half, 2, 3);
    return (quarter[0] | quarter[1]) != 0;
  } else if constexpr (Pack<T, n>::kPart == 32) {
#if defined(UPSWEEP_AVX2)
    return !_mm256_testz_si256(reinterpret_cast<__m256i>(folded),
                               reinterpret_cast<__m256i>(folded));
#endif
  } else {
    auto words = reinterpret_cast<Vector<int64_t, 2>>(folded);
    return (words[0] | words[1]) != 0;
  }
}

template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> abs(const Pack<T, n>& a) {
  constexpr auto kMagnitude = static_cast<Bits<T>>(~Bits<T>{0} >> 1);
  auto bits = a.template as<Bits<T>>() & Pack<Bits<T>, n>::all(kMagnitude);
  return bits.template as<T>();
}

// As the instructions have it: b where the lanes do not compare.
template <class T, int n>
  requires std::is_floating_point_v<T>
UPSWEEP_INLINE inline Pack<T, n> min(const Pack<T, n>& a, const Pack<T, n>& b) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) {
#if defined(UPSWEEP_AVX512)
    if constexpr (r.kPart == 64) {
      if constexpr (sizeof(T) == 8) {
        r.v[i] = _mm512_min_pd(a.v[i], b.v[i]);
      } else {
        r.v[i] = _mm512_min_ps(a.v[i], b.v[i]);
      }
      continue;
    }
#endif
#if defined(UPSWEEP_AVX2)
    if constexpr (r.kPart == 32) {
      if constexpr (sizeof(T) == 8) {
        r.v[i] = _mm256_min_pd(a.v[i], b.v[i]);
      } else {
        r.v[i] = _mm256_min_ps(a.v[i], b.v[i]);
      }
      continue;
    }
#endif
    r.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  }
  return r;
}
template <class T, int n>
  requires std::is_floating_point_v<T>
UPSWEEP_INLINE inline Pack<T, n> max(const Pack<T, n>& a, const Pack<T, n>& b) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) {
#if defined(UPSWEEP_AVX512)
    if constexpr (r.kPart == 64) {
      if constexpr (sizeof(T) == 8) {
        r.v[i] = _mm512_max_pd(a.v[i], b.v[i]);
      } else {
        r.v[i] = _mm512_max_ps(a.v[i], b.v[i]);
      }
      continue;
    }
#endif
#if defined(UPSWEEP_AVX2)
    if constexpr (r.kPart == 32) {
      if constexpr (sizeof(T) == 8) {
        r.v[i] = _mm256_max_pd(a.v[i], b.v[i]);
      } else {
        r.v[i] = _mm256_max_ps(a.v[i], b.v[i]);
      }
      continue;
    }
#endif
    r.v[i] = b.v[i] < a.v[i] ? a.v[i] : b.v[i];
  }
  return r;
}
template <int n>
UPSWEEP_INLINE inline Pack<uint32_t, n> max(const Pack<uint32_t, n>& a,
                                            const Pack<uint32_t, n>& b) {
  Pack<uint32_t, n> r;
  for (int i = 0; i < r.kParts; ++i) {
#if defined(UPSWEEP_AVX512)
    r.v[i] = reinterpret_cast<typename Pack<uint32_t, n>::V>(_mm512_max_epu32(
        reinterpret_cast<__m512i>(a.v[i]), reinterpret_cast<__m512i>(b.v[i])));
#elif defined(UPSWEEP_AVX2)
    r.v[i] = reinterpret_cast<typename Pack<uint32_t, n>::V>(_mm256_max_epu32(
        reinterpret_cast<__m256i>(a.v[i]), reinterpret_cast<__m256i>(b.v[i])));
#else
    r.v[i] = b.v[i] < a.v[i] ? a.v[i] : b.v[i];
#endif
  }
  return r;
}

// a · b + c and a · b - c with one rounding.
#if defined(UPSWEEP_AVX2) || defined(__aarch64__)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;  // the library does it one by one
#endif

template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> fma(const Pack<T, n>& a, const Pack<T, n>& b,
                                     const Pack<T, n>& c) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) {
#if defined(UPSWEEP_AVX2)
    if constexpr (r.kPart == 64) {
#if defined(UPSWEEP_AVX512)
      if constexpr (sizeof(T) == 8) {
        r.v[i] = _mm512_fmadd_pd(a.v[i], b.v[i], c.v[i]);
      } else {
        r.v[i] = _mm512_fmadd_ps(a.v[i], b.v[i], c.v[i]);
      }
#endif
    } else if constexpr (sizeof(T) == 8) {
      r.v[i] = _mm256_fmadd_pd(a.v[i], b.v[i], c.v[i]);
    } else {
      r.v[i] = _mm256_fmadd_ps(a.v[i], b.v[i], c.v[i]);
    }
#elif defined(__aarch64__)
    if constexpr (sizeof(T) == 8) {
      r.v[i] = vfmaq_f64(c.v[i], a.v[i], b.v[i]);
    } else {
      r.v[i] = vfmaq_f32(c.v[i], a.v[i], b.v[i]);
    }
#else
    for (int l = 0; l < r.kPart / static_cast<int>(sizeof(T)); ++l) {
      r.v[i][l] = std::fma(a.v[i][l], b.v[i][l], c.v[i][l]);
    }
#endif
  }
  return r;
}
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> fms(const Pack<T, n>& a, const Pack<T, n>& b,
                                     const Pack<T, n>& c) {
  Pack<T, n> minus;
  for (int i = 0; i < minus.kParts; ++i) minus.v[i] = -c.v[i];
  return fma(a, b, minus);
}

// The one NaN of all results.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> canonical(const Pack<T, n>& a) {
  auto nan = Pack<T, n>::all(std::numeric_limits<T>::quiet_NaN());
  return select(a == a, a, nan);
}

// Register i of a pack.
template <class T, int n>
UPSWEEP_INLINE inline auto part(const Pack<T, n>& a, int i) {
  using One = Pack<T, Pack<T, n>::kPart / static_cast<int>(sizeof(T))>;
  One r;
  r.v[0] = a.v[i];
  return r;
}

// Every other run of d lanes of a and of b, the first runs or the second.
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

UPSWEEP_INLINE inline Pack<double, 16> widen(const Pack<float>& a) {
  Pack<double, 16> r;
#if defined(UPSWEEP_AVX512)
  r.v[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v[0]));
  r.v[1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v[0], 1));
#elif defined(UPSWEEP_AVX2)
  for (int i = 0; i < 2; ++i) {
    r.v[2 * i] = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v[i]));
    r.v[2 * i + 1] = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v[i], 1));
  }
#else
  for (int i = 0; i < 4; ++i) {
    r.v[2 * i] = __builtin_convertvector(
        __builtin_shufflevector(a.v[i], a.v[i], 0, 1), Vector<double, 2>);
    r.v[2 * i + 1] = __builtin_convertvector(
        __builtin_shufflevector(a.v[i], a.v[i], 2, 3), Vector<double, 2>);
  }
#endif
  return r;
}

UPSWEEP_INLINE inline Pack<float> narrow(const Pack<double, 16>& a) {
  Pack<float> r;
#if defined(UPSWEEP_AVX512)
  r.v[0] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.v[0])),
                              _mm512_cvtpd_ps(a.v[1]), 1);
#elif defined(UPSWEEP_AVX2)
  for (int i = 0; i < 2; ++i) {
    r.v[i] = _mm256_set_m128(_mm256_cvtpd_ps(a.v[2 * i + 1]),
                             _mm256_cvtpd_ps(a.v[2 * i]));
  }
#else
  for (int i = 0; i < 4; ++i) {
    auto low = __builtin_convertvector(a.v[2 * i], Vector<float, 2>);
    auto high = __builtin_convertvector(a.v[2 * i + 1], Vector<float, 2>);
    r.v[i] = __builtin_shufflevector(low, high, 0, 1, 2, 3);
  }
#endif
  return r;
}

// Sixteen elements of a narrow float, given as their bits, as floats, and back.
// Rounding from double goes by way of float: at most 0.5 + 2^-13 ulp.
template <class T>
UPSWEEP_INLINE inline Pack<float> floats_of(const Pack<Bits<T>>& bits) {
  if constexpr (std::is_same_v<T, float>) {
    return bits.template as<float>();
  } else if constexpr (std::is_same_v<T, bfloat16_t>) {
    // Interleaved with zeros, the bits are those of floats.
    Pack<uint32_t> r;
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
    for (int i = 0; i < 2; ++i) {
      auto low =
          __builtin_shufflevector(zero, bits.v[i], 0, 8, 1, 9, 2, 10, 3, 11);
      auto high =
          __builtin_shufflevector(zero, bits.v[i], 4, 12, 5, 13, 6, 14, 7, 15);
      r.v[2 * i] = reinterpret_cast<Vector<uint32_t, 4>>(low);
      r.v[2 * i + 1] = reinterpret_cast<Vector<uint32_t, 4>>(high);
    }
#endif
    return r.template as<float>();
  } else {
    Pack<float> r;
#if defined(UPSWEEP_AVX512)
    r.v[0] = _mm512_cvtph_ps(reinterpret_cast<__m256i>(bits.v[0]));
#elif defined(UPSWEEP_AVX2)
    auto all = reinterpret_cast<__m256i>(bits.v[0]);
    r.v[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(all));
    r.v[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(all, 1));
#elif defined(__aarch64__)
    for (int i = 0; i < 4; ++i) {
      auto half = vreinterpretq_f16_u16(bits.v[i / 2]);
      r.v[i] = vcvt_f32_f16(i % 2 ? vget_high_f16(half) : vget_low_f16(half));
    }
#else
    T lanes[16];
    bits.store(lanes);
    for (int i = 0; i < 16; ++i) {
      r.v[i / 4][i % 4] = static_cast<float>(lanes[i]);
    }
#endif
    return r;
  }
}

template <class T>
UPSWEEP_INLINE inline Pack<Bits<T>> bits_of(const Pack<float>& a) {
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
    for (int i = 0; i < 2; ++i) {
      auto low = reinterpret_cast<Vector<uint16_t, 8>>(b.v[2 * i]);
      auto high = reinterpret_cast<Vector<uint16_t, 8>>(b.v[2 * i + 1]);
      r.v[i] = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
    }
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
    for (int i = 0; i < 2; ++i) {
      auto half =
          vcombine_f16(vcvt_f16_f32(a.v[2 * i]), vcvt_f16_f32(a.v[2 * i + 1]));
      r.v[i] = vreinterpretq_u16_f16(half);
    }
#else
    T lanes[16];
    for (int i = 0; i < 16; ++i) lanes[i] = T(a.v[i / 4][i % 4]);
    r = Pack<uint16_t>::load(lanes);
#endif
    return r;
  }
}

}  // namespace
}  // namespace upsweep
