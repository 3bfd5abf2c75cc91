// The fourteen element types, and the C++ types that hold one element of each.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace upsweep {

/// The element type of an array; a small value, compared with ==.
struct Dtype {
  enum class Val : uint8_t {
    bool_,
    uint8,
    uint16,
    uint32,
    uint64,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
  };
  enum class Kind : uint8_t { bool_, uint, sint, real, complex };

  Val val;

  constexpr operator Val() const { return val; }

  /// Bytes per element.
  constexpr size_t size() const {
    constexpr uint8_t sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8};
    return sizes[static_cast<size_t>(val)];
  }

  constexpr Kind kind() const {
    if (val == Val::bool_) return Kind::bool_;
    if (val <= Val::uint64) return Kind::uint;
    if (val <= Val::int64) return Kind::sint;
    return val == Val::complex64 ? Kind::complex : Kind::real;
  }

  constexpr bool is_integer() const {
    return kind() == Kind::uint || kind() == Kind::sint;
  }

  /// The name, as in "float32".
  const char* name() const;
};

inline constexpr Dtype bool_{Dtype::Val::bool_};
inline constexpr Dtype uint8{Dtype::Val::uint8};
inline constexpr Dtype uint16{Dtype::Val::uint16};
inline constexpr Dtype uint32{Dtype::Val::uint32};
inline constexpr Dtype uint64{Dtype::Val::uint64};
inline constexpr Dtype int8{Dtype::Val::int8};
inline constexpr Dtype int16{Dtype::Val::int16};
inline constexpr Dtype int32{Dtype::Val::int32};
inline constexpr Dtype int64{Dtype::Val::int64};
inline constexpr Dtype float16{Dtype::Val::float16};
inline constexpr Dtype bfloat16{Dtype::Val::bfloat16};
inline constexpr Dtype float32{Dtype::Val::float32};
inline constexpr Dtype float64{Dtype::Val::float64};
inline constexpr Dtype complex64{Dtype::Val::complex64};

/// One IEEE binary16 number: its bits, with conversions that round to nearest,
/// ties to even.
struct float16_t {
  uint16_t bits = 0;
  float16_t() = default;
  explicit float16_t(double value);
  explicit float16_t(float value) : float16_t(static_cast<double>(value)) {}
  explicit operator float() const;
  explicit operator double() const { return static_cast<float>(*this); }
};

/// One bfloat16 number: the upper half of a float32, rounded to nearest, ties
/// to even.
struct bfloat16_t {
  uint16_t bits = 0;
  bfloat16_t() = default;
  explicit bfloat16_t(double value);
  explicit bfloat16_t(float value) : bfloat16_t(static_cast<double>(value)) {}
  explicit operator float() const;
  explicit operator double() const { return static_cast<float>(*this); }
};

using complex64_t = std::complex<float>;

/// The dtype that holds elements of the C++ type T; nullptr if none does.
template <class T>
inline constexpr std::nullptr_t dtype_of = nullptr;
template <>
inline constexpr Dtype dtype_of<bool> = bool_;
template <>
inline constexpr Dtype dtype_of<uint8_t> = uint8;
template <>
inline constexpr Dtype dtype_of<uint16_t> = uint16;
template <>
inline constexpr Dtype dtype_of<uint32_t> = uint32;
template <>
inline constexpr Dtype dtype_of<uint64_t> = uint64;
template <>
inline constexpr Dtype dtype_of<int8_t> = int8;
template <>
inline constexpr Dtype dtype_of<int16_t> = int16;
template <>
inline constexpr Dtype dtype_of<int32_t> = int32;
template <>
inline constexpr Dtype dtype_of<int64_t> = int64;
template <>
inline constexpr Dtype dtype_of<float16_t> = float16;
template <>
inline constexpr Dtype dtype_of<bfloat16_t> = bfloat16;
template <>
inline constexpr Dtype dtype_of<float> = float32;
template <>
inline constexpr Dtype dtype_of<double> = float64;
template <>
inline constexpr Dtype dtype_of<complex64_t> = complex64;

/// A C++ type that is the element of some dtype.
template <class T>
concept Element = std::is_same_v<decltype(dtype_of<T>), const Dtype>;

/// The element at an address. For bool_, any byte but 0 is true: other
/// libraries pass such bytes, and reading one as a C++ bool is undefined.
template <Element T>
T load_element(const void* at) {
  if constexpr (std::is_same_v<T, bool>) {
    return *static_cast<const uint8_t*>(at) != 0;
  } else {
    return *static_cast<const T*>(at);
  }
}

/// Calls fn with a value of the C++ type that holds one element of the dtype.
template <class Fn>
decltype(auto) visit_dtype(Dtype dtype, Fn&& fn) {
  switch (dtype.val) {
    case Dtype::Val::bool_:
      return fn(bool{});
    case Dtype::Val::uint8:
      return fn(uint8_t{});
    case Dtype::Val::uint16:
      return fn(uint16_t{});
    case Dtype::Val::uint32:
      return fn(uint32_t{});
    case Dtype::Val::uint64:
      return fn(uint64_t{});
    case Dtype::Val::int8:
      return fn(int8_t{});
    case Dtype::Val::int16:
      return fn(int16_t{});
    case Dtype::Val::int32:
      return fn(int32_t{});
    case Dtype::Val::int64:
      return fn(int64_t{});
    case Dtype::Val::float16:
      return fn(float16_t{});
    case Dtype::Val::bfloat16:
      return fn(bfloat16_t{});
    case Dtype::Val::float32:
      return fn(float{});
    case Dtype::Val::float64:
      return fn(double{});
    default:
      return fn(complex64_t{});
  }
}

/// The smallest dtype that both arguments convert to without a change of kind,
/// by MLX's table (int32 and float16 give float16; float32 and float64 give
/// float64).
Dtype promote_types(Dtype a, Dtype b);

}  // namespace upsweep
