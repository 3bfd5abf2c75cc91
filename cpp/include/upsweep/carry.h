// Carry: what the elements of a line amount to, for a scan that goes on where
// another one ended.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "upsweep/array.h"
#include "upsweep/device.h"
#include "upsweep/operators.h"

namespace upsweep {

/// The version of the layout of CarryRecord.
inline constexpr int kCarryVersion = 1;

/// Exponents of products of real numbers whose magnitude is beyond this count
/// as this.
inline constexpr int64_t kMaxCarryExponent = int64_t{1} << 60;

/// What one line amounts to. The order of the fields is that of NumPy's
/// structured array.
struct CarryRecord {
  /// (re + re_low + i (im + im_low)) · 2^exponent. Only products of real
  /// numbers have an exponent. Of a logaddexp it is a sum of exponentials, and
  /// the result is scale + log(sum). Of integers and bool_, exponent is the
  /// value modulo 2^64, and all else is 0.
  struct Number {
    double re, re_low, im, im_low;
    int64_t exponent;
    double scale;
  };
  /// The result so far, as a scan continues it: once it has left the range of
  /// the dtype it is zero, infinite or NaN.
  Number prefix;
  /// The combination of the elements, without regard to that range.
  Number total;
  /// The range that the line's prefixes went through, without regard to that of
  /// the dtype: of real products the binary exponents; of sums the values; of
  /// complex64 products the larger of the magnitudes of the two parts. The
  /// second entry is for imaginary parts of sums.
  double low[2], high[2];
  /// What the elements do to a prefix that has left the range: of products the
  /// product, of sums the sum of zeros, infinities, NaN and signs.
  double special[2];
  /// 1 if `prefix` is known, 0 if only the elements can tell it.
  int64_t decided;
};
static_assert(sizeof(CarryRecord) == 152, "layout of CarryRecord");

/// What lines of elements amount to under an operator, in one direction: one
/// CarryRecord for each line. Immutable; copies share the records. The records
/// may not be computed yet; what reads them waits.
class Carry {
 public:
  /// From records, a copy of which it keeps, in row-major order of the shape.
  /// Throws std::invalid_argument if there are not as many as the shape says.
  Carry(Op op, Dtype dtype, bool reverse, Shape shape,
        const CarryRecord* records, int64_t count);

  Op op() const { return op_; }
  /// The dtype in which the scan computes and returns.
  Dtype dtype() const { return dtype_; }
  bool reverse() const { return reverse_; }
  /// The shape of the scanned array without the axis; empty for one line.
  const Shape& shape() const { return shape_; }
  int64_t size() const;

  /// The carry of these lines followed by those of `next`, in scan order.
  /// Associative up to rounding. A line whose product or sum may have left the
  /// range of the dtype on the way is undecided: only its elements can tell.
  /// Throws std::invalid_argument if op, dtype, direction or shape differ.
  Carry then(const Carry& next) const;
  /// Whether the results are known, of all lines.
  bool is_decided() const;
  /// The results so far, rounded to the dtype. Throws std::invalid_argument if
  /// a line is undecided.
  array value() const;
  /// The products of all elements, without regard to the range of the dtype, as
  /// float64 mantissas of 0.5 to 1 and int64 exponents (frexp); a zero,
  /// infinite or NaN mantissa has the exponent 0. Throws std::invalid_argument
  /// unless op is prod and dtype a real one.
  std::pair<array, array> mantissa_exponent() const;
  /// Waits for the records.
  const CarryRecord* records() const;

 private:
  friend struct CarryAccess;
  Carry(Op op, Dtype dtype, bool reverse, Shape shape,
        std::shared_ptr<Storage> storage);

  Op op_;
  Dtype dtype_;
  bool reverse_;
  Shape shape_;
  std::shared_ptr<Storage> storage_;
};

}  // namespace upsweep
