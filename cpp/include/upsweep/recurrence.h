// The linear recurrence. The result is a fresh, contiguous array on the
// stream's device.
#pragma once

#include <optional>

#include "upsweep/array.h"
#include "upsweep/device.h"

namespace upsweep {

/// The options of a recurrence.
struct RecurrenceOptions {
  bool reverse = false;   // from the last element to the first
  bool inclusive = true;  // else each result is the one before its element
  /// What lines start with instead of 0: a 0-d array, or one of the shape of
  /// the result without the axis. It is converted to the dtype.
  std::optional<array> initial = {};
  /// Where the result before the element counts as 0, whatever a is: bool_, of
  /// the shape of the result; or, for one axis, offsets as in ScanOptions.
  std::optional<array> reset = {};
  /// Where the result goes.
  ResultMemory into = {};
};

/// h[i] = a[i] · h[i - 1] + b[i] along an axis, counted from the end when
/// negative. a and b broadcast; they have the same floating-point or complex
/// dtype, which the result keeps, or are integers or bool_, which gives
/// float32. h is followed without intermediate overflow or underflow and only
/// rounded for the result. See the numerics page for the error.
///
/// Errors: TypeError for dtypes, std::out_of_range for the axis,
/// std::invalid_argument for shapes and for a stream that does not exist,
/// OutOfMemory.
array linear_recurrence(const array& a, const array& b, int axis = -1,
                        const RecurrenceOptions& options = {},
                        StreamOrDevice s = {});

/// The gradients of a linear recurrence, of options `reverse` and `inclusive`,
/// for a cotangent of its results. a, b and the cotangent have one shape and
/// one dtype, float16, bfloat16, float32 or float64. The result has one more
/// axis, in front: of extent 2, for a and b. With h and the adjoint l as wide
/// as in linear_recurrence, that of b is l[i] and that of a is l[i] · h[i - 1],
/// each rounded once. Computed on the CPU.
///
/// Errors: TypeError for another dtype, or unlike ones; std::invalid_argument
/// for unlike shapes; std::out_of_range for an axis that a does not have.
array linear_recurrence_vjp(const array& a, const array& b,
                            const array& cotangent, int axis = -1,
                            bool reverse = false, bool inclusive = true,
                            StreamOrDevice s = {});

}  // namespace upsweep
