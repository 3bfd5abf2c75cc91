// Pack: lanes of one type in one or more registers of the instruction set that
// this file is compiled for.
//
// Everything here has internal linkage: each file of kernels compiles a copy
// for its instruction set, and the linker must not merge them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "../core/inline.h"
#include "upsweep/dtype.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace upsweep {
namespace {

// Calls fn(0) to fn(n - 1). In a loop, the arrays that fn indexes would be in
// memory.
template <class Fn, int... i>
UPSWEEP_INLINE inline void unrolled(std::integer_sequence<int, i...>,
                                    const Fn& fn) {
  (fn(i), ...);
}
template <int n, class Fn>
UPSWEEP_INLINE inline void unrolled(const Fn& fn) {
  unrolled(std::make_integer_sequence<int, n>(), fn);
}

#if defined(UPSWEEP_AVX512)
constexpr int kRegister = 64;
#elif defined(UPSWEEP_AVX2)
constexpr int kRegister = 32;
#else
constexpr int kRegister = 16;
#endif

// Lanes of a type: at most a cache line.
template <class T>
constexpr int kLanes = sizeof(T) == 8 ? 8 : 16;
// The lanes that one register holds.
template <class T>
constexpr int kPack = std::min(kLanes<T>, kRegister / int{sizeof(T)});

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

// The signed integer of a type's size: the type of masks.
template <class T>
using Signed = std::conditional_t<
    sizeof(T) == 8, int64_t,
    std::conditional_t<sizeof(T) == 4, int32_t,
                       std::conditional_t<sizeof(T) == 2, int16_t, int8_t>>>;

template <class T>
using Bits = std::make_unsigned_t<Signed<T>>;

template <class T, int n = kPack<T>>
struct Pack {
  // Narrow types may not fill a register.
  static constexpr int kBytes = static_cast<int>(sizeof(T)) * n;
  static constexpr int kPart = kBytes < kRegister ? kBytes : kRegister;
  static constexpr int kParts = kBytes / kPart;
  static constexpr int kSize = n;
  using V = Vector<T, kPart / static_cast<int>(sizeof(T))>;
  using Mask = Pack<Signed<T>, n>;

  V v[kParts];

  Pack() = default;
  // Register by register: gcc would copy the struct through memory.
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
UPSWEEP_PACK_OPERATOR(^)
#undef UPSWEEP_PACK_OPERATOR

#define UPSWEEP_PACK_SHIFT(op)                                               \
  template <class T, int n>                                                  \
  UPSWEEP_INLINE inline Pack<T, n> operator op(const Pack<T, n>& a, int k) { \
    Pack<T, n> r;                                                            \
    for (int i = 0; i < r.kParts; ++i) r.v[i] = a.v[i] op k;                 \
    return r;                                                                \
  }
UPSWEEP_PACK_SHIFT(<<)
UPSWEEP_PACK_SHIFT(>>)
#undef UPSWEEP_PACK_SHIFT

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

// Stores past the cache, to a multiple of the register's size.
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

// Orders these stores before all later stores.
inline void order_streams() {
#if defined(__x86_64__)
  _mm_sfence();
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

// A mask from the flags of its lanes, bytes of 0 and 1.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> mask_of(const uint8_t* flags) {
  constexpr int lanes = Pack<T, n>::kPart / static_cast<int>(sizeof(T));
  using Flags = Vector<int8_t, lanes>;
  using V = typename Pack<T, n>::V;
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) {
    auto some = load_vector<Flags>(flags + i * lanes);
    V wide;
    if constexpr (sizeof(T) == 1) {
      wide = reinterpret_cast<V>(some);
#if defined(UPSWEEP_AVX512)
    } else if constexpr (sizeof(V) == 64 && sizeof(T) == 8) {
      wide = reinterpret_cast<V>(_mm512_cvtepi8_epi64(_mm_loadl_epi64(
          reinterpret_cast<const __m128i*>(flags + i * lanes))));
    } else if constexpr (sizeof(V) == 64 && sizeof(T) == 4) {
      wide = reinterpret_cast<V>(
          _mm512_cvtepi8_epi32(reinterpret_cast<__m128i>(some)));
#endif
#if defined(UPSWEEP_AVX2)
    } else if constexpr (sizeof(V) == 32 && sizeof(T) == 8) {
      int four;
      std::memcpy(&four, &some, sizeof four);
      wide = reinterpret_cast<V>(_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four)));
    } else if constexpr (sizeof(V) == 32 && sizeof(T) == 4) {
      wide = reinterpret_cast<V>(_mm256_cvtepi8_epi32(_mm_loadl_epi64(
          reinterpret_cast<const __m128i*>(flags + i * lanes))));
    } else if constexpr (sizeof(V) == 32 && sizeof(T) == 2) {
      wide = reinterpret_cast<V>(
          _mm256_cvtepi8_epi16(reinterpret_cast<__m128i>(some)));
#endif
    } else {
      wide = __builtin_convertvector(some, V);
    }
    r.v[i] = V{} - wide;
  }
  return r;
}

// Whether any lane of a mask is set.
template <class T, int n>
UPSWEEP_INLINE inline bool any(const Pack<T, n>& mask) {
  auto folded = mask.v[0];
  for (int i = 1; i < Pack<T, n>::kParts; ++i) folded |= mask.v[i];
  if constexpr (Pack<T, n>::kPart == 64) {
#if defined(UPSWEEP_AVX512)
    auto all = reinterpret_cast<__m512i>(folded);
    return _mm512_test_epi64_mask(all, all) != 0;
#endif
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

// As the instructions for floats: b if the lanes are unordered.
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> min(const Pack<T, n>& a, const Pack<T, n>& b) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) r.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return r;
}
template <class T, int n>
UPSWEEP_INLINE inline Pack<T, n> max(const Pack<T, n>& a, const Pack<T, n>& b) {
  Pack<T, n> r;
  for (int i = 0; i < r.kParts; ++i) r.v[i] = b.v[i] < a.v[i] ? a.v[i] : b.v[i];
  return r;
}

// a · b + c and a · b - c with one rounding.
#if defined(UPSWEEP_AVX2) || defined(__aarch64__)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;  // emulated lane by lane
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

// a · b + c with one rounding or two, whichever is faster: for what is more
// precise than its result has to be.
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

}  // namespace
}  // namespace upsweep
