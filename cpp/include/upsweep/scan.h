// The scans. Every result is a fresh, contiguous array on the stream's device.
//
// Each has two forms: without an axis it scans the flattened array (a 0-d input
// then gives shape (1,)), with one it scans along that axis, counted from the
// end when negative. A reverse scan runs from the last element to the first. An
// exclusive scan leaves each element out of its own result, so the first result
// in scan order is the identity.
//
// Errors: std::out_of_range for an axis the array does not have, OutOfMemory,
// and std::invalid_argument for a stream or a dtype that the device does not
// have.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "upsweep/array.h"
#include "upsweep/carry.h"
#include "upsweep/device.h"
#include "upsweep/operators.h"

namespace upsweep {

/// Cumulative product. Floating point: at most 1 ulp from successive
/// multiplication without intermediate rounding, with the zeros, infinities
/// and NaNs of left-to-right multiplication, and the same bits every run.
/// Integers wrap; bool_ is logical and. Keeps the dtype.
array cumprod(const array& a, bool reverse = false, bool inclusive = true,
              StreamOrDevice s = {});
array cumprod(const array& a, int axis, bool reverse = false,
              bool inclusive = true, StreamOrDevice s = {});

/// Cumulative sum. Keeps the dtype, but bool_ gives int32.
array cumsum(const array& a, bool reverse = false, bool inclusive = true,
             StreamOrDevice s = {});
array cumsum(const array& a, int axis, bool reverse = false,
             bool inclusive = true, StreamOrDevice s = {});

/// Cumulative maximum; NaN propagates; complex64 in lexicographic order.
array cummax(const array& a, bool reverse = false, bool inclusive = true,
             StreamOrDevice s = {});
array cummax(const array& a, int axis, bool reverse = false,
             bool inclusive = true, StreamOrDevice s = {});

/// Cumulative minimum; NaN propagates; complex64 in lexicographic order.
array cummin(const array& a, bool reverse = false, bool inclusive = true,
             StreamOrDevice s = {});
array cummin(const array& a, int axis, bool reverse = false,
             bool inclusive = true, StreamOrDevice s = {});

/// Logarithm of the cumulative sum of exponentials. Keeps floating-point and
/// complex dtypes; integers and bool_ give float32.
array logcumsumexp(const array& a, bool reverse = false, bool inclusive = true,
                   StreamOrDevice s = {});
array logcumsumexp(const array& a, int axis, bool reverse = false,
                   bool inclusive = true, StreamOrDevice s = {});

/// What lines start with, as if it were an element before the first: nothing
/// (the identity), a 0-d array or one of the scanned array's shape without the
/// axis, or the carry of other lines.
using InitialValue = std::variant<std::monostate, array, Carry>;

struct ScanOptions {
  bool reverse = false;
  bool inclusive = true;
  InitialValue initial = {};
  /// Where new segments start, which start from the identity: a bool_ array of
  /// the scanned array's shape, true at the first element of a segment in scan
  /// order; or, for an array of one axis, the offsets of the segments: integers
  /// that do not decrease. Each segment ends where the next one starts.
  std::optional<array> reset = {};
  /// The input is converted to it first, and the result has it.
  std::optional<Dtype> dtype = {};
  /// One more element along the axis, before the first in scan order: what the
  /// line starts with. Needs inclusive.
  bool include_initial = false;
  /// NaN counts as the identity.
  bool skipna = false;
  /// Where the result goes.
  ResultMemory into = {};
  StreamOrDevice stream = {};
};

/// The scan of an operator, with every option. Without an axis, it scans the
/// flattened array. Results keep the contract of the operator's own function,
/// whatever they start with.
///
/// Errors: also std::invalid_argument for an initial value or a reset that does
/// not fit, and TypeError for one of another kind of dtype.
array scan(const array& a, Op op, std::optional<int> axis = {},
           const ScanOptions& options = {});

struct CarryOptions {
  bool reverse = false;
  InitialValue initial = {};
  StreamOrDevice stream = {};
};

/// What each line amounts to. Reads the array once and writes nothing but a
/// record for each line. scan(b, op, axis, {.initial = carry(a, op, axis)})
/// keeps the contract for the lines of b as parts of longer lines.
Carry carry(const array& a, Op op, std::optional<int> axis = {},
            const CarryOptions& options = {});

struct FrexpOptions {
  bool reverse = false;
  bool inclusive = true;
  /// Of a carry the totals count, so it may be undecided.
  InitialValue initial = {};
  StreamOrDevice stream = {};
};

/// Cumulative products that cannot leave the range: mantissas and exponents
/// whose products mantissa · 2^exponent are at most 1 ulp of the mantissa from
/// the exact ones. As in frexp, magnitudes of mantissas are from 0.5 to below
/// 1; a zero, infinite or NaN mantissa has the exponent 0. Mantissas have the
/// dtype of a, float32 for integers and bool_; exponents are int32, and beyond
/// 2^30 they stay there.
///
/// Errors: also TypeError for complex64.
std::pair<array, array> cumprod_frexp(const array& a,
                                      std::optional<int> axis = {},
                                      const FrexpOptions& options = {});

/// The cumulative functions of the array API standard (2023.12): the axis may
/// be left out only for one axis; without a dtype, integers and bool_ give
/// int64, and unsigned integers uint64.
array cumulative_prod(const array& x, std::optional<int> axis = {},
                      std::optional<Dtype> dtype = {},
                      bool include_initial = false, StreamOrDevice s = {});
array cumulative_sum(const array& x, std::optional<int> axis = {},
                     std::optional<Dtype> dtype = {},
                     bool include_initial = false, StreamOrDevice s = {});

}  // namespace upsweep
