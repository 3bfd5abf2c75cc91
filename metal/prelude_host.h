// The types and functions of Metal Shading Language that the kernels use, in
// host C++, over an emulator's engine. The build includes that engine's
// threadgroup.h first (-include).
//
// Functions take exactly the types that Metal's overloads do, so that a call
// that is ambiguous there does not compile here either.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "prelude_pointers.h"

namespace metal {

using uchar = uint8_t;
using ushort = uint16_t;
using uint = uint32_t;
using ulong = uint64_t;

struct uint2 {
  uint x, y;
  uint2() = default;
  explicit uint2(uint v) : x(v), y(v) {}
  uint2(uint x, uint y) : x(x), y(y) {}
};

struct alignas(16) uint4 {
  uint x, y, z, w;
  uint4() = default;
  uint4(uint x, uint y, uint z, uint w) : x(x), y(y), z(z), w(w) {}
};

template <class To, class From>
inline To as_type(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "as_type between sizes");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// Converts with integers: the processor would flush subnormal numbers here.
struct half {
  half() = default;
  explicit half(float x) {
    uint from = as_type<uint>(x), magnitude = from & 0x7fffffff;
    uint result;
    if (magnitude > 0x7f800000) {
      result = 0x7e00;
    } else if (magnitude >= 0x47800000) {
      result = 0x7c00;
    } else if (magnitude < 0x33000000) {
      result = 0;
    } else {
      uint exponent = magnitude >> 23;
      uint mantissa = (magnitude & 0x7fffff) | 0x800000;
      uint shift = exponent < 113 ? 126 - exponent : 13;
      result = mantissa >> shift;
      uint rest = mantissa & ((1u << shift) - 1), half_way = 1u << (shift - 1);
      result += rest > half_way || (rest == half_way && (result & 1));
      if (exponent >= 113) result += (exponent - 113) << 10;
    }
    this->bits = static_cast<ushort>(result | (from >> 16 & 0x8000));
  }
  explicit operator float() const {
    uint sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fff;
    uint result;
    if (magnitude >= 0x7c00) {
      result = 0x7f800000 | (magnitude & 0x3ff) << 13;
    } else if (magnitude >= 0x400) {
      result = (magnitude << 13) + (112u << 23);
    } else if (magnitude == 0) {
      result = 0;
    } else {
      uint shift = static_cast<uint>(std::countl_zero(magnitude)) - 21;
      result = ((magnitude << shift & 0x3ff) << 13) | (113 - shift) << 23;
    }
    return as_type<float>(sign | result);
  }

  ushort bits;
};

template <class T>
inline T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
inline T max(T a, T b) {
  return a < b ? b : a;
}
template <class T>
inline T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}
inline float abs(float x) { return __builtin_fabsf(x); }
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float rint(float x) { return __builtin_rintf(x); }
inline float floor(float x) { return __builtin_floorf(x); }
inline uint clz(uint x) { return static_cast<uint>(std::countl_zero(x)); }
inline uint reverse_bits(uint x) {
  uint reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1) << (31 - i);
  return reversed;
}
inline uint ctz(uint x) { return static_cast<uint>(std::countr_zero(x)); }

namespace precise {
inline float cos(float x) { return std::cos(x); }
inline float sin(float x) { return std::sin(x); }
}  // namespace precise

#define UPSWEEP_THREADGROUP_ARRAY(type, name, count) \
  threadgroup_array<type, (count)> name
#define UPSWEEP_THREADGROUP_VARIABLE(type, name) threadgroup_array<type, 1> name

// Atomics and barriers.

struct atomic_uint {
  uint value;
};
enum memory_order { memory_order_relaxed };

// A group's threads run one at a time.
inline uint atomic_load_explicit(threadgroup_pointer<atomic_uint> at,
                                 memory_order, UPSWEEP_HERE) {
  Threadgroup::current().check(Threadgroup::Access::atomic, at.get(), 4,
                               {file, line});
  return at.get()->value;
}
inline void atomic_store_explicit(threadgroup_pointer<atomic_uint> at,
                                  uint value, memory_order, UPSWEEP_HERE) {
  Threadgroup::current().check(Threadgroup::Access::atomic, at.get(), 4,
                               {file, line});
  at.get()->value = value;
}
inline uint atomic_fetch_max_explicit(threadgroup_pointer<atomic_uint> at,
                                      uint value, memory_order, UPSWEEP_HERE) {
  Threadgroup::current().check(Threadgroup::Access::atomic, at.get(), 4,
                               {file, line});
  uint old = at.get()->value;
  at.get()->value = max(old, value);
  return old;
}

// Groups run on several threads of the host.
inline uint atomic_fetch_add_explicit(device_pointer<atomic_uint> at,
                                      uint value, memory_order, UPSWEEP_HERE) {
  uint& word = at.get_atomic({file, line})->value;
  return std::atomic_ref<uint>(word).fetch_add(value);
}
inline void atomic_store_explicit(device_pointer<atomic_uint> at, uint value,
                                  memory_order, UPSWEEP_HERE) {
  uint& word = at.get_atomic({file, line})->value;
  std::atomic_ref<uint>(word).store(value);
}

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
inline mem_flags operator|(mem_flags a, mem_flags b) {
  return static_cast<mem_flags>(static_cast<int>(a) | static_cast<int>(b));
}
inline bool has(mem_flags all, mem_flags one) {
  return (static_cast<int>(all) & static_cast<int>(one)) != 0;
}
// Stores and loads a vector atomically, for other threadgroups: the last word
// is stored last and loaded first.
inline void store_tile_state(device_pointer<uint4> at, uint4 state,
                             UPSWEEP_HERE) {
  uint4& to = *at.get_atomic({file, line});
  std::atomic_ref(to.x).store(state.x, std::memory_order_relaxed);
  std::atomic_ref(to.y).store(state.y, std::memory_order_relaxed);
  std::atomic_ref(to.z).store(state.z, std::memory_order_relaxed);
  std::atomic_ref(to.w).store(state.w, std::memory_order_release);
}
inline uint4 load_tile_state(device_pointer<uint4> at, UPSWEEP_HERE) {
  Threadgroup::current().look_again({file, line});
  uint4& from = *at.get_atomic({file, line});
  uint last = std::atomic_ref(from.w).load(std::memory_order_acquire);
  return {std::atomic_ref(from.x).load(std::memory_order_relaxed),
          std::atomic_ref(from.y).load(std::memory_order_relaxed),
          std::atomic_ref(from.z).load(std::memory_order_relaxed), last};
}

inline void threadgroup_barrier(mem_flags flags, UPSWEEP_HERE) {
  Threadgroup::current().barrier({has(flags, mem_flags::mem_device),
                                  has(flags, mem_flags::mem_threadgroup)},
                                 {file, line});
}

// Orders no memory here, so that a kernel that relies on it fails.
inline void simdgroup_barrier(mem_flags, UPSWEEP_HERE) {
  Threadgroup::current().simd(upsweep::emulator::SimdOp::shuffle_up, 0, 0,
                              {file, line});
}

// Simdgroup functions take the types that Metal's do: no bool, and no type of
// 64 bits except vectors.
template <class T>
inline T shuffled_up(T x, ushort delta, Site site) {
  uint64_t word = 0;
  std::memcpy(&word, &x, sizeof x);
  word = Threadgroup::current().simd(upsweep::emulator::SimdOp::shuffle_up,
                                     delta, word, site);
  std::memcpy(&x, &word, sizeof x);
  return x;
}
inline uint simd_shuffle_up(uint x, ushort delta, UPSWEEP_HERE) {
  return shuffled_up(x, delta, {file, line});
}
inline int simd_shuffle_up(int x, ushort delta, UPSWEEP_HERE) {
  return shuffled_up(x, delta, {file, line});
}
inline float simd_shuffle_up(float x, ushort delta, UPSWEEP_HERE) {
  return shuffled_up(x, delta, {file, line});
}
inline uint2 simd_shuffle_up(uint2 x, ushort delta, UPSWEEP_HERE) {
  return shuffled_up(x, delta, {file, line});
}
void simd_shuffle_up(bool x, ushort delta) = delete;
void simd_shuffle_up(ulong x, ushort delta) = delete;

}  // namespace metal

// The arguments of a kernel, by their attributes.
namespace upsweep::emulator {

inline uint32_t group_index() { return Threadgroup::current().group(); }
inline uint32_t thread_index() { return Threadgroup::current().thread(); }

template <class T>
struct Argument;
template <class T>
struct Argument<metal::device_pointer<T>> {
  static metal::device_pointer<T> get(unsigned index) {
    return metal::device_pointer<T>(
        Threadgroup::current().binding(index, !std::is_const_v<T>));
  }
};
template <class T>
struct Argument<const T&> {
  static const T& get(unsigned index) {
    const Extent& extent = Threadgroup::current().binding(index);
    if (extent.end - extent.begin < static_cast<ptrdiff_t>(sizeof(T))) {
      Threadgroup::current().fail("a constant argument that is too short",
                                  {"arguments", 0});
    }
    return *reinterpret_cast<const T*>(extent.begin);
  }
};

// Of a kernel's parameters, or of void where it has none.
template <class T>
constexpr size_t size_of = sizeof(T);
template <>
inline constexpr size_t size_of<void> = 0;

}  // namespace upsweep::emulator

#define METAL_FUNC inline
#define UPSWEEP_UNROLL
#define UPSWEEP_ROLL
#define UPSWEEP_KERNEL_FUNC
#define UPSWEEP_GIVEN(params)
#define UPSWEEP_GROUP ::upsweep::emulator::group_index()
#define UPSWEEP_THREAD ::upsweep::emulator::thread_index()
#define UPSWEEP_ARGUMENT(index, ...) \
  ::upsweep::emulator::Argument<__VA_ARGS__>::get(index)

#define UPSWEEP_JOINED_(a, b) a##b
#define UPSWEEP_JOINED(a, b) UPSWEEP_JOINED_(a, b)
#define UPSWEEP_REGISTER(name, params, ...)                                    \
  static const ::upsweep::emulator::Registration UPSWEEP_JOINED(registration_, \
                                                                __COUNTER__)(  \
      {#name, &__VA_ARGS__, ::upsweep::emulator::size_of<params>});
