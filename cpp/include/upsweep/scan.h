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

#include "upsweep/array.h"
#include "upsweep/device.h"

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

}  // namespace upsweep
