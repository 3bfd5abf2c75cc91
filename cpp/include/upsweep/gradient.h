// The derivatives of cumulative products. Every result is a fresh, contiguous
// array on the stream's device.
#pragma once

#include <optional>

#include "upsweep/array.h"
#include "upsweep/device.h"

namespace upsweep {

/// The gradient of a sum: each result of cumprod(a, ...), times its element of
/// the cotangent. With x the elements in scan order, element k is the sum, over
/// the results i that x[k] is a factor of, of cotangent[i] times the other
/// factors of result i. Nothing is divided, and nothing overflows or
/// underflows but the result. See the numerics page for the error.
///
/// a is floating-point or complex; the cotangent has its dtype, and its shape
/// or fewer elements that broadcast to it, or, without an axis, to one line of
/// as many elements. The result has the dtype and shape of a. complex64 is not
/// conjugated.
///
/// A reset is where the product starts afresh, as that of ScanOptions: bool_,
/// of the shape of a; or, for one axis, offsets. Nothing in one segment counts
/// in another. A GPU leaves derivatives with a reset to the CPU.
///
/// Errors: TypeError for dtypes, std::out_of_range for the axis,
/// std::invalid_argument for shapes and for a stream that does not exist,
/// OutOfMemory.
array cumprod_vjp(const array& a, const array& cotangent, bool reverse = false,
                  bool inclusive = true, StreamOrDevice s = {},
                  const std::optional<array>& reset = {});
array cumprod_vjp(const array& a, const array& cotangent, int axis,
                  bool reverse = false, bool inclusive = true,
                  StreamOrDevice s = {}, ResultMemory into = {},
                  const std::optional<array>& reset = {});

/// By how much cumprod(a, ...) changes, to first order, where a changes by the
/// tangent. Arguments, error and errors are those of cumprod_vjp, but that the
/// tangent has the shape of a, or broadcasts to it, and that the result has the
/// shape of cumprod(a, ...).
array cumprod_jvp(const array& a, const array& tangent, bool reverse = false,
                  bool inclusive = true, StreamOrDevice s = {},
                  const std::optional<array>& reset = {});
array cumprod_jvp(const array& a, const array& tangent, int axis,
                  bool reverse = false, bool inclusive = true,
                  StreamOrDevice s = {}, ResultMemory into = {},
                  const std::optional<array>& reset = {});

}  // namespace upsweep
