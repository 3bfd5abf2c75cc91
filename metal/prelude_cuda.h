// The types and functions of Metal Shading Language that the kernels use, in
// CUDA C++. A threadgroup is a block, a simdgroup a warp, threadgroup memory is
// shared memory, and pointers need no address space.
#pragma once

#include <cstdint>
#include <cstring>

#define METAL_FUNC __device__ __forceinline__
#define UPSWEEP_UNROLL _Pragma("unroll")
#define UPSWEEP_ROLL _Pragma("unroll 1")

namespace metal {

using uchar = uint8_t;
using ushort = uint16_t;
using uint = uint32_t;
using ulong = uint64_t;

struct alignas(8) uint2 {
  uint x, y;
  uint2() = default;
  explicit METAL_FUNC uint2(uint v) : x(v), y(v) {}
  METAL_FUNC uint2(uint x, uint y) : x(x), y(y) {}
};

struct alignas(16) uint4 {
  uint x, y, z, w;
  uint4() = default;
  METAL_FUNC uint4(uint x, uint y, uint z, uint w) : x(x), y(y), z(z), w(w) {}
};

template <class To, class From>
METAL_FUNC To as_type(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "as_type between sizes");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

struct half {
  half() = default;
  explicit METAL_FUNC half(float x) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  }
  explicit METAL_FUNC operator float() const {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }

  ushort bits;
};

template <class T>
METAL_FUNC T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
METAL_FUNC T max(T a, T b) {
  return a < b ? b : a;
}
METAL_FUNC float min(float a, float b) { return fminf(a, b); }
METAL_FUNC float max(float a, float b) { return fmaxf(a, b); }
template <class T>
METAL_FUNC T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}
METAL_FUNC float abs(float x) { return fabsf(x); }
METAL_FUNC float fma(float a, float b, float c) { return fmaf(a, b, c); }
METAL_FUNC float rint(float x) { return rintf(x); }
METAL_FUNC uint clz(uint x) { return static_cast<uint>(__clz(int(x))); }
METAL_FUNC uint reverse_bits(uint x) { return __brev(x); }
METAL_FUNC uint ctz(uint x) { return static_cast<uint>(__ffs(int(x)) - 1); }

namespace precise {
METAL_FUNC float cos(float x) { return cosf(x); }
METAL_FUNC float sin(float x) { return sinf(x); }
}  // namespace precise

template <class T>
using device_pointer = T*;
template <class T>
using threadgroup_pointer = T*;

#define UPSWEEP_THREADGROUP_ARRAY(type, name, count) \
  __shared__ type name[(count)]
#define UPSWEEP_THREADGROUP_VARIABLE(type, name) __shared__ type name

// Atomics and barriers.

struct atomic_uint {
  uint value;
};
enum memory_order { memory_order_relaxed };

METAL_FUNC uint atomic_load_explicit(const atomic_uint* at, memory_order) {
  return *static_cast<const volatile uint*>(&at->value);
}
METAL_FUNC void atomic_store_explicit(atomic_uint* at, uint value,
                                      memory_order) {
  *static_cast<volatile uint*>(&at->value) = value;
}
METAL_FUNC uint atomic_fetch_max_explicit(atomic_uint* at, uint value,
                                          memory_order) {
  return atomicMax(&at->value, value);
}

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
METAL_FUNC mem_flags operator|(mem_flags a, mem_flags b) {
  return static_cast<mem_flags>(static_cast<int>(a) | static_cast<int>(b));
}
// Orders device memory as well, within the block.
METAL_FUNC void threadgroup_barrier(mem_flags) { __syncthreads(); }
METAL_FUNC void simdgroup_barrier(mem_flags) { __syncwarp(); }

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define UPSWEEP_COPIES_ARE_ASYNC
// Starts the copy of a vector, or of an element of 4 or 8 bytes, into
// threadgroup memory; await_copies ends it.
METAL_FUNC void copy_in(uint4* to, const uint4* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   static_cast<uint>(__cvta_generic_to_shared(to))),
               "l"(from)
               : "memory");
}
template <class V>
METAL_FUNC void copy_in(V* to, const V* from) {
  static_assert(sizeof(V) == 4 || sizeof(V) == 8, "what cp.async can copy");
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(
                   static_cast<uint>(__cvta_generic_to_shared(to))),
               "l"(from), "n"(sizeof(V))
               : "memory");
}
METAL_FUNC void await_copies() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}
#endif

// Stores and loads a vector atomically, for other threadgroups.
METAL_FUNC void store_tile_state(uint4* at, uint4 state) {
  asm volatile(
      "{ .reg .b64 low, high; .reg .b128 state;\n"
      "mov.b64 low, {%1, %2}; mov.b64 high, {%3, %4};\n"
      "mov.b128 state, {low, high}; st.relaxed.gpu.global.b128 [%0], state; "
      "}" ::"l"(at),
      "r"(state.x), "r"(state.y), "r"(state.z), "r"(state.w)
      : "memory");
}
METAL_FUNC uint4 load_tile_state(const uint4* at) {
  uint4 state;
  asm volatile(
      "{ .reg .b64 low, high; .reg .b128 state;\n"
      "ld.relaxed.gpu.global.b128 state, [%4]; mov.b128 {low, high}, state;\n"
      "mov.b64 {%0, %1}, low; mov.b64 {%2, %3}, high; }"
      : "=r"(state.x), "=r"(state.y), "=r"(state.z), "=r"(state.w)
      : "l"(at)
      : "memory");
  return state;
}

constexpr uint kWholeWarp = 0xffffffff;

METAL_FUNC uint simd_shuffle_up(uint x, ushort delta) {
  return __shfl_up_sync(kWholeWarp, x, delta);
}
METAL_FUNC int simd_shuffle_up(int x, ushort delta) {
  return __shfl_up_sync(kWholeWarp, x, delta);
}
METAL_FUNC float simd_shuffle_up(float x, ushort delta) {
  return __shfl_up_sync(kWholeWarp, x, delta);
}
METAL_FUNC uint2 simd_shuffle_up(uint2 x, ushort delta) {
  return {simd_shuffle_up(x.x, delta), simd_shuffle_up(x.y, delta)};
}

}  // namespace metal

// CUDA has some of these names itself, in the global namespace.
namespace upsweep {
using metal::abs;
using metal::atomic_uint;
using metal::clamp;
using metal::clz;
using metal::ctz;
using metal::fma;
using metal::half;
using metal::max;
using metal::min;
using metal::reverse_bits;
using metal::rint;
using metal::uchar;
using metal::uint;
using metal::uint2;
using metal::uint4;
using metal::ulong;
using metal::ushort;
#ifdef UPSWEEP_COPIES_ARE_ASYNC
using metal::await_copies;
using metal::copy_in;
#endif
}  // namespace upsweep

// A kernel: its buffers by their index, the parameters in constant memory.
#define UPSWEEP_KERNEL_FUNC __device__ __forceinline__
#define UPSWEEP_GIVEN(params)                                     \
  const void *b0, void *b1, const params &b2, void *b3, void *b4, \
      const void *b5, const void *b6, const void *b7
#define UPSWEEP_GROUP blockIdx.x
#define UPSWEEP_THREAD threadIdx.x
#define UPSWEEP_ARGUMENT(index, ...) (__VA_ARGS__)(b##index)
#define UPSWEEP_REGISTER(name, params, ...)                                  \
  extern "C" __global__ void __launch_bounds__(kThreads, kResident) name(    \
      const void* b0, void* b1, const __grid_constant__ params b2, void* b3, \
      void* b4, const void* b5, const void* b6, const void* b7) {            \
    __VA_ARGS__(b0, b1, b2, b3, b4, b5, b6, b7);                             \
  }
