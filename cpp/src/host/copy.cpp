// Copies with conversion: one loop for each pair of dtypes, run along the last
// axis.
#include "copy.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "../core/half.h"
#include "elementwise.h"

namespace upsweep {

namespace {

template <class T>
constexpr bool is_floating = dtype_of<T>.kind() == Dtype::Kind::real;

// x as a double, rounded to odd if it does not fit: rounding that again gives
// the same as rounding x once.
template <class Integer>
double to_odd_double(Integer x) {
  auto rounded = static_cast<double>(x);
  if (std::abs(rounded) < 0x1p53) return rounded;
  Integer high = x >> 11;
  bool rest = (x & 2047) != 0;
  return static_cast<double>(rest ? high | 1 : high) * 2048;
}

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, complex64_t>) {
    if constexpr (std::is_same_v<To, bool>) return x != complex64_t{};
    return convert<To>(x.real());
  } else if constexpr (std::is_same_v<To, complex64_t>) {
    return convert<float>(x);
  } else if constexpr (is_floating<From> && is_floating<To>) {
    return narrow<To>(widen(x));
  } else if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(x);
  } else if constexpr (is_floating<To>) {
    if constexpr (sizeof(From) == 8) return narrow<To>(to_odd_double(x));
    return narrow<To>(static_cast<double>(x));
  } else if constexpr (!is_floating<From>) {
    return static_cast<To>(x);
  } else if constexpr (std::is_same_v<To, bool>) {
    return widen(x) != 0;
  } else {
    // C++ leaves a conversion out of range undefined: clamp to the range, and
    // turn NaN into 0.
    using Limits = std::numeric_limits<To>;
    double wide = std::trunc(widen(x));
    if (wide != wide) return 0;
    if (wide <= static_cast<double>(Limits::min())) return Limits::min();
    if (wide >= static_cast<double>(Limits::max())) return Limits::max();
    return static_cast<To>(wide);
  }
}

using CopyLine = void (*)(const void* in, int64_t in_step, void* out,
                          int64_t n);

template <class To, class From>
void copy_line(const void* in, int64_t in_step, void* out, int64_t n) {
  auto* from = static_cast<const From*>(in);
  auto* to = static_cast<To*>(out);
  for (int64_t i = 0; i < n; ++i) {
    to[i] = convert<To>(load_element<From>(from + i * in_step));
  }
}

CopyLine find_copy_line(Dtype to, Dtype from) {
  return visit_dtype(to, [&]<class To>(To) {
    return visit_dtype(
        from, []<class From>(From) -> CopyLine { return copy_line<To, From>; });
  });
}

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    return x.real() != x.real() || x.imag() != x.imag();
  } else if constexpr (is_floating<T>) {
    return widen(x) != widen(x);
  } else {
    return false;
  }
}

template <class T>
void replace_nan(T* out, int64_t n, uint64_t bits) {
  T value = load_element<T>(reinterpret_cast<const T*>(&bits));
  for (int64_t i = 0; i < n; ++i) {
    if (is_nan(out[i])) out[i] = value;
  }
}

}  // namespace

void run_copy(const CopyWork& work) {
  CopyLine copy_line = find_copy_line(work.out_dtype, work.in_dtype);
  auto* in = static_cast<const char*>(work.in->data());
  auto* out = static_cast<char*>(work.out->data());
  auto in_size = static_cast<int64_t>(work.in_dtype.size());
  auto out_size = static_cast<int64_t>(work.out_dtype.size());
  for_each_run(work.axes, [&](const Run& run) {
    copy_line(in + (work.in_offset + run.in) * in_size, run.in_step,
              out + run.index * out_size, run.count);
    if (work.nan_as) {
      visit_dtype(work.out_dtype, [&]<class T>(T) {
        replace_nan(reinterpret_cast<T*>(out) + run.index, run.count,
                    *work.nan_as);
      });
    }
    return true;
  });
}

}  // namespace upsweep
