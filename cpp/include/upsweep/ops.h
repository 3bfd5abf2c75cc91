// Functions on arrays other than the scans: constructors, views, conversion and
// comparison. Views share storage and cost nothing; functions that copy say so.
//
// Errors have MLX's messages: std::out_of_range for an axis or an index out of
// bounds, std::invalid_argument for shapes that do not match, OutOfMemory.
#pragma once

#include <concepts>
#include <optional>

#include "upsweep/array.h"

namespace upsweep {

// Constructors.
array zeros(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});
array ones(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});
/// vals broadcast to shape, converted to dtype if one is given.
array full(const Shape& shape, const array& vals,
           std::optional<Dtype> dtype = {}, StreamOrDevice s = {});
/// start, start + step, … below stop (above, for a negative step).
array arange(double start, double stop, double step, Dtype dtype,
             StreamOrDevice s = {});
array integer_arange(int64_t start, int64_t stop, int64_t step, Dtype dtype,
                     StreamOrDevice s = {});
template <std::integral T>
array arange(T start, T stop, T step, Dtype dtype, StreamOrDevice s = {}) {
  return integer_arange(start, stop, step, dtype, s);
}

// Views.
/// Elements start[i], start[i] + step[i], … of each axis i, extent[i] of them.
/// All must exist: nothing is clipped.
array slice(const array& a, const Shape& start, const Shape& step,
            const Shape& extent);
/// One entry may be -1. A view if strides allow it, else a copy.
array reshape(const array& a, Shape shape, StreamOrDevice s = {});
/// Merges axes start_axis to end_axis; 0-d gives shape (1,).
array flatten(const array& a, int start_axis = 0, int end_axis = -1,
              StreamOrDevice s = {});
/// Axes in the given order; all reversed when none is given.
array transpose(const array& a, std::vector<int> axes);
array transpose(const array& a);
array swapaxes(const array& a, int axis1, int axis2);
array moveaxis(const array& a, int source, int destination);
/// Removes axes of extent 1: the given ones, or all.
array squeeze(const array& a, std::vector<int> axes);
array squeeze(const array& a);
/// Inserts axes of extent 1 at these positions of the result.
array expand_dims(const array& a, std::vector<int> axes);
array broadcast_to(const array& a, const Shape& shape);

// Copies.
/// a converted to dtype; a itself if it has that dtype. Real to bool_ tests for
/// non-zero, complex to real drops the imaginary part, floats beyond an
/// integer's range saturate, and NaN gives 0.
array astype(const array& a, Dtype dtype, StreamOrDevice s = {});
/// A contiguous array of the same values: a itself if it is contiguous.
array contiguous(const array& a, StreamOrDevice s = {});
/// A contiguous array with storage of its own.
array copy(const array& a, StreamOrDevice s = {});

// Comparison, exact for any two dtypes.
/// Element by element after broadcasting; bool_.
array equal(const array& a, const array& b, StreamOrDevice s = {});
array not_equal(const array& a, const array& b, StreamOrDevice s = {});
/// 0-d bool_: same shape and all elements equal.
array array_equal(const array& a, const array& b, bool equal_nan = false,
                  StreamOrDevice s = {});
/// 0-d bool_: |a - b| <= atol + rtol |b| for all elements after broadcasting.
array allclose(const array& a, const array& b, double rtol = 1e-5,
               double atol = 1e-8, bool equal_nan = false,
               StreamOrDevice s = {});

}  // namespace upsweep
