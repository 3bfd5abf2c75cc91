// Pack: sixteen lanes of one type in as many registers as they take on the
// instruction set that this file is compiled for.
//
// Everything here has internal linkage: each kernels_*.cpp compiles its own
// copy for its own instruction set, and none may stand in for another's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
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

constexpr int kLanes = 16;

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
V load_vector(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class V>
void store_vector(void* to, V v) {
  std::memcpy(to, &v, sizeof v);
}

// The signed integer of a type's size: what comparing its lanes gives.
template <class T>
using Signed = std::conditional_t<
    sizeof(T) == 8, int64_t,
    std::conditional_t<sizeof(T) == 4, int32_t,
                       std::conditional_t<sizeof(T) == 2, int16_t, int8_t>>>;

template <class T, int n = kLanes>
struct Pack {
  // Narrow types may fill less than one register.
  static constexpr int kBytes = static_cast<int>(sizeof(T)) * n;
  static constexpr int kPart = kBytes < kRegister ? kBytes : kRegister;
  static constexpr int kParts = kBytes / kPart;
  using V = Vector<T, kPart / static_cast<int>(sizeof(T))>;
  using Mask = Pack<Signed<T>, n>;

  V v[kParts];

  static Pack load(const void* from) {
    Pack p;
    for (int i = 0; i < kParts; ++i) {
      p.v[i] = load_vector<V>(static_cast<const char*>(from) + i * kPart);
    }
    return p;
  }
  void store(void* to) const {
    for (int i = 0; i < kParts; ++i) {
      store_vector(static_cast<char*>(to) + i * kPart, v[i]);
    }
  }
  static Pack all(T x) {
    Pack p;
    for (int i = 0; i < kParts; ++i) p.v[i] = x - V{};
    return p;
  }

  // The bits of the lanes as another type of the same size.
  template <class To>
  Pack<To, n> as() const {
    Pack<To, n> to;
    for (int i = 0; i < kParts; ++i) {
      to.v[i] = reinterpret_cast<typename Pack<To, n>::V>(v[i]);
    }
    return to;
  }
};

#define UPSWEEP_PACK_OPERATOR(op)                                    \
  template <class T, int n>                                          \
  Pack<T, n> operator op(const Pack<T, n>& a, const Pack<T, n>& b) { \
    Pack<T, n> r;                                                    \
    for (int i = 0; i < r.kParts; ++i) r.v[i] = a.v[i] op b.v[i];    \
    return r;                                                        \
  }
UPSWEEP_PACK_OPERATOR(+)
UPSWEEP_PACK_OPERATOR(-)
UPSWEEP_PACK_OPERATOR(*)
UPSWEEP_PACK_OPERATOR(&)
UPSWEEP_PACK_OPERATOR(|)
#undef UPSWEEP_PACK_OPERATOR

#define UPSWEEP_PACK_COMPARISON(op)                                         \
  template <class T, int n>                                                 \
  typename Pack<T, n>::Mask operator op(const Pack<T, n>& a,                \
                                        const Pack<T, n>& b) {              \
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
void stream(T* to, const Pack<T, n>& a) {
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
Pack<T, n> select(const typename Pack<T, n>::Mask& mask, const Pack<T, n>& a,
                  const Pack<T, n>& b) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) {
    r.v[i] = mask.v[i] ? a.v[i] : b.v[i];
  }
  return r;
}

// Whether any lane of a mask is set.
template <class T, int n>
bool any(const Pack<T, n>& mask) {
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

template <int n>
Pack<double, n> abs(const Pack<double, n>& a) {
  auto bits = a.template as<int64_t>() & Pack<int64_t, n>::all(INT64_MAX);
  return bits.template as<double>();
}

template <int n>
Pack<double, n> min(const Pack<double, n>& a, const Pack<double, n>& b) {
  return select(a < b, a, b);
}
template <int n>
Pack<double, n> max(const Pack<double, n>& a, const Pack<double, n>& b) {
  return select(b < a, a, b);
}

// a · b + c with one rounding.
template <int n>
Pack<double, n> fma(const Pack<double, n>& a, const Pack<double, n>& b,
                    const Pack<double, n>& c) {
  Pack<double, n> r;
  for (int i = 0; i < r.kParts; ++i) {
#if defined(UPSWEEP_AVX512)
    r.v[i] = _mm512_fmadd_pd(a.v[i], b.v[i], c.v[i]);
#elif defined(UPSWEEP_AVX2)
    r.v[i] = _mm256_fmadd_pd(a.v[i], b.v[i], c.v[i]);
#elif defined(__aarch64__)
    r.v[i] = vfmaq_f64(c.v[i], a.v[i], b.v[i]);
#else
    for (int lane = 0; lane < 2; ++lane) {
      r.v[i][lane] = std::fma(a.v[i][lane], b.v[i][lane], c.v[i][lane]);
    }
#endif
  }
  return r;
}

inline Pack<double> widen(const Pack<float>& a) {
  Pack<double> r;
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

inline Pack<float> narrow(const Pack<double>& a) {
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

// Sixteen elements of a narrow float as floats, and back. Rounding from double
// goes by way of float: at most 0.5 + 2^-13 ulp.
inline Pack<float> load_floats(const float* from) {
  return Pack<float>::load(from);
}
inline void store_floats(float* to, const Pack<float>& a) { a.store(to); }

inline Pack<float> load_floats(const bfloat16_t* from) {
  Pack<uint32_t> bits;
  auto half = Pack<uint16_t>::load(from);
  constexpr int n = Pack<uint32_t>::kPart / 4;
  uint16_t lanes[kLanes];
  half.store(lanes);
  for (int i = 0; i < Pack<uint32_t>::kParts; ++i) {
    bits.v[i] = __builtin_convertvector(
                    (load_vector<Vector<uint16_t, n>>(lanes + i * n)),
                    Vector<uint32_t, n>)
                << 16;
  }
  return bits.as<float>();
}
inline void store_floats(bfloat16_t* to, const Pack<float>& a) {
  auto bits = a.as<uint32_t>();
  constexpr int n = Pack<uint32_t>::kPart / 4;
  for (int i = 0; i < Pack<uint32_t>::kParts; ++i) {
    auto b = bits.v[i];
    auto rounded = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
    // Rounding could carry a NaN over into zero.
    auto nan = (b & 0x7fffffff) > 0x7f800000;
    rounded = nan ? ((b >> 16) | 0x40) : rounded;
    store_vector(to + i * n,
                 __builtin_convertvector(rounded, Vector<uint16_t, n>));
  }
}

inline Pack<float> load_floats(const float16_t* from) {
  Pack<float> r;
#if defined(UPSWEEP_AVX512)
  r.v[0] = _mm512_cvtph_ps(load_vector<__m256i>(from));
#elif defined(UPSWEEP_AVX2)
  for (int i = 0; i < 2; ++i) {
    r.v[i] = _mm256_cvtph_ps(load_vector<__m128i>(from + 8 * i));
  }
#elif defined(__aarch64__)
  for (int i = 0; i < 4; ++i) {
    r.v[i] = vcvt_f32_f16(load_vector<float16x4_t>(from + 4 * i));
  }
#else
  for (int i = 0; i < kLanes; ++i) {
    r.v[i / 4][i % 4] = static_cast<float>(from[i]);
  }
#endif
  return r;
}
inline void store_floats(float16_t* to, const Pack<float>& a) {
#if defined(UPSWEEP_AVX512)
  store_vector(to, _mm512_cvtps_ph(a.v[0], _MM_FROUND_TO_NEAREST_INT));
#elif defined(UPSWEEP_AVX2)
  for (int i = 0; i < 2; ++i) {
    store_vector(to + 8 * i,
                 _mm256_cvtps_ph(a.v[i], _MM_FROUND_TO_NEAREST_INT));
  }
#elif defined(__aarch64__)
  for (int i = 0; i < 4; ++i) {
    store_vector(to + 4 * i, vcvt_f16_f32(a.v[i]));
  }
#else
  for (int i = 0; i < kLanes; ++i) to[i] = float16_t(a.v[i / 4][i % 4]);
#endif
}

}  // namespace
}  // namespace upsweep
