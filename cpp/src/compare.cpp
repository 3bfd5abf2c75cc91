// Comparison of arrays: exact for any two dtypes, so without promotion.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <complex>
#include <type_traits>

#include "array_access.h"
#include "core/backend.h"
#include "core/half.h"
#include "core/shape.h"
#include "host/elementwise.h"
#include "result.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

// One element of any dtype: an integer as sign and magnitude, anything else as
// a complex number of doubles.
struct Number {
  bool is_integer;
  bool negative;
  uint64_t magnitude;
  std::complex<double> value;

  template <class T>
  static Number of(T x) {
    if constexpr (std::is_integral_v<T>) {
      bool negative = x < T{0};
      auto bits = static_cast<uint64_t>(x);
      return {true, negative, negative ? -bits : bits, static_cast<double>(x)};
    } else if constexpr (std::is_same_v<T, complex64_t>) {
      return {false, false, 0, {x.real(), x.imag()}};
    } else {
      return {false, false, 0, widen(x)};
    }
  }

  bool is_nan() const {
    return std::isnan(value.real()) || std::isnan(value.imag());
  }
};

bool same(const Number& a, const Number& b) {
  if (a.is_integer && b.is_integer) {
    return a.negative == b.negative && a.magnitude == b.magnitude;
  }
  if (a.is_integer) return same(b, a);
  if (a.value != b.value) return false;
  if (!b.is_integer) return true;
  // The integer equals a once rounded to double; now check that rounding did
  // not change it. Only rounding can give a magnitude of 2^64.
  double magnitude = std::abs(a.value.real());
  return magnitude < 0x1p64 && static_cast<uint64_t>(magnitude) == b.magnitude;
}

bool close(const Number& a, const Number& b, double rtol, double atol) {
  if (same(a, b)) return true;  // includes infinities of the same sign
  double distance = std::abs(a.value - b.value);
  if (a.is_integer && b.is_integer && a.negative == b.negative) {
    // They may be too large for a double to tell apart.
    distance = static_cast<double>(std::max(a.magnitude, b.magnitude) -
                                   std::min(a.magnitude, b.magnitude));
  }
  return distance <= atol + rtol * std::abs(b.value) &&
         !std::isinf(std::abs(b.value));
}

using Load = Number (*)(const void* data, int64_t index);

template <class T>
Number load(const void* data, int64_t index) {
  return Number::of(load_element<T>(static_cast<const T*>(data) + index));
}

Load loader(Dtype dtype) {
  return visit_dtype(dtype, []<class T>(T) -> Load { return load<T>; });
}

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape shape = longer;
  size_t added = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& extent = shape[added + i];
    if (extent == 1) {
      extent = shorter[i];
    } else if (shorter[i] != 1 && shorter[i] != extent) {
      throw std::invalid_argument("[broadcast_shapes] Shapes " + to_string(a) +
                                  " and " + to_string(b) +
                                  " cannot be broadcast.");
    }
  }
  return shape;
}

// Calls visit(i, number of a, number of b) for the elements of two arrays of
// the same shape, where i counts them in row-major order. Several threads share
// a large array; each stops when visit returns false.
template <class Visit>
void for_each_pair(const array& a, const array& b, const Visit& visit) {
  Load load_a = loader(a.dtype()), load_b = loader(b.dtype());
  const void* data_a = storage_of(a)->data();
  const void* data_b = storage_of(b)->data();
  for_each_run(merge_axes(a.shape(), a.strides(), b.strides()),
               [&](const Run& run) {
                 int64_t at_a = a.offset() + run.in;
                 int64_t at_b = b.offset() + run.out;
                 for (int64_t i = 0; i < run.count; ++i) {
                   if (!visit(run.index + i, load_a(data_a, at_a),
                              load_b(data_b, at_b))) {
                     return false;
                   }
                   at_a += run.in_step;
                   at_b += run.out_step;
                 }
                 return true;
               });
}

// Whether test(number of a, number of b) holds for all pairs of elements.
template <class Test>
bool all_pairs(const array& a, const array& b, const Test& test) {
  std::atomic<bool> all{true};
  for_each_pair(a, b, [&](int64_t, const Number& x, const Number& y) {
    if (!test(x, y)) all.store(false, std::memory_order_relaxed);
    return all.load(std::memory_order_relaxed);
  });
  return all;
}

// A bool_ array of the given shape, filled by fill(result) on the stream once
// a and b are computed.
template <class Fill>
array compare(const char* op, const array& a, const array& b,
              const Shape& shape, StreamOrDevice s, Fill fill) {
  Stream stream = stream_for(op, s);
  return produce(op, stream, [&] {
    array out = make_result(op, shape, bool_, stream);
    auto* result = static_cast<bool*>(storage_of(out)->data());
    backend(stream).run_on_host(stream, {[=] { fill(result); },
                                         {storage_of(a), storage_of(b)},
                                         storage_of(out),
                                         std::max(a.size(), b.size())});
    return out;
  });
}

array compare_elements(const array& a, const array& b, bool equal,
                       StreamOrDevice s) {
  Shape shape = broadcast_shapes(a.shape(), b.shape());
  array left = broadcast_to(a, shape), right = broadcast_to(b, shape);
  return compare(
      equal ? "equal" : "not_equal", left, right, shape, s, [=](bool* result) {
        for_each_pair(left, right,
                      [&](int64_t i, const Number& x, const Number& y) {
                        result[i] = same(x, y) == equal;
                        return true;
                      });
      });
}

}  // namespace

array equal(const array& a, const array& b, StreamOrDevice s) {
  return compare_elements(a, b, true, s);
}

array not_equal(const array& a, const array& b, StreamOrDevice s) {
  return compare_elements(a, b, false, s);
}

array array_equal(const array& a, const array& b, bool equal_nan,
                  StreamOrDevice s) {
  bool same_shape = a.shape() == b.shape();
  return compare("array_equal", a, b, {}, s, [=](bool* result) {
    *result =
        same_shape && all_pairs(a, b, [&](const Number& x, const Number& y) {
          return same(x, y) || (equal_nan && x.is_nan() && y.is_nan());
        });
  });
}

array allclose(const array& a, const array& b, double rtol, double atol,
               bool equal_nan, StreamOrDevice s) {
  Shape shape = broadcast_shapes(a.shape(), b.shape());
  array left = broadcast_to(a, shape), right = broadcast_to(b, shape);
  return compare("allclose", left, right, {}, s, [=](bool* result) {
    *result = all_pairs(left, right, [&](const Number& x, const Number& y) {
      return close(x, y, rtol, atol) || (equal_nan && x.is_nan() && y.is_nan());
    });
  });
}

}  // namespace upsweep
