// Views: new geometry over the same storage, and the copies that reshape needs
// if strides do not allow a view.
#include <algorithm>
#include <numeric>

#include "axis.h"
#include "core/plan.h"
#include "core/shape.h"
#include "upsweep/ops.h"

namespace upsweep {

namespace {

// The strides that view `a` in row-major order as `shape` without a copy, or
// nothing if there are none.
std::optional<Strides> view_strides(const array& a, const Shape& shape) {
  std::vector<Plan::Axis> axes =
      merge_axes(a.shape(), a.strides(), contiguous_strides(a.shape()));
  // Each new axis must lie inside one of the merged old axes.
  Strides strides = contiguous_strides(shape);
  size_t old = axes.size();
  int64_t left = 1, step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    if (left == 1) {
      if (old == 0) return std::nullopt;
      --old;
      left = axes[old].extent;
      step = axes[old].in_step;
    }
    if (left % shape[i] != 0) return std::nullopt;
    strides[i] = step;
    step *= shape[i];
    left /= shape[i];
  }
  return strides;
}

// The given axes normalised, sorted and checked for repeats.
std::vector<int> normalize_axes(const char* op, std::vector<int> axes,
                                int ndim) {
  for (int& axis : axes) axis = normalize_axis(op, axis, ndim);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    throw std::invalid_argument(std::string("[") + op +
                                "] Received duplicate axes.");
  }
  return axes;
}

// Whether an axis has `count` elements (at least one), `step` apart, from start
// on.
bool reaches(int64_t extent, int64_t start, int64_t step, int64_t count) {
  int64_t last;
  return start >= 0 && start < extent &&
         !__builtin_mul_overflow(count - 1, step, &last) &&
         !__builtin_add_overflow(start, last, &last) && last >= 0 &&
         last < extent;
}

}  // namespace

array slice(const array& a, const Shape& start, const Shape& step,
            const Shape& extent) {
  size_t ndim = a.shape().size();
  if (start.size() != ndim || step.size() != ndim || extent.size() != ndim) {
    throw std::invalid_argument(
        "[slice] Invalid number of indices or strides for array with "
        "dimension " +
        std::to_string(ndim) + ".");
  }
  bool empty = checked_size("slice", extent, a.dtype()) == 0;
  Strides strides = a.strides();
  int64_t offset = a.offset();
  for (size_t i = 0; i < ndim; ++i) {
    if (extent[i] > 0 && !reaches(a.shape()[i], start[i], step[i], extent[i])) {
      throw std::out_of_range(
          "[slice] " + std::to_string(extent[i]) + " elements from index " +
          std::to_string(start[i]) + " in steps of " + std::to_string(step[i]) +
          " are out of bounds for axis " + std::to_string(i) + " with size " +
          std::to_string(a.shape()[i]) + ".");
    }
    if (!empty) offset += start[i] * strides[i];
    // A single element has no neighbour, and the product might overflow.
    if (extent[i] > 1) strides[i] = wrapping_product(strides[i], step[i]);
  }
  return a.as_strided(extent, std::move(strides), offset);
}

array reshape(const array& a, Shape shape, StreamOrDevice s) {
  auto fail = [&] {
    return std::invalid_argument("[reshape] Cannot reshape array of size " +
                                 std::to_string(a.size()) + " into shape " +
                                 to_string(shape) + ".");
  };
  auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end()) {
    Shape known(shape.begin(), unknown);
    known.insert(known.end(), unknown + 1, shape.end());
    int64_t size = checked_size("reshape", known, a.dtype());
    if (size == 0 || a.size() % size != 0) throw fail();
    *unknown = a.size() / size;
  }
  if (checked_size("reshape", shape, a.dtype()) != a.size()) throw fail();
  if (a.size() == 0) {
    Strides strides = contiguous_strides(shape);
    return a.as_strided(std::move(shape), std::move(strides), a.offset());
  }
  if (auto strides = view_strides(a, shape)) {
    return a.as_strided(std::move(shape), std::move(*strides), a.offset());
  }
  return reshape(contiguous(a, s), std::move(shape), s);
}

array flatten(const array& a, int start_axis, int end_axis, StreamOrDevice s) {
  if (a.ndim() == 0) return reshape(a, {1}, s);
  int first = normalize_axis("flatten", start_axis, a.ndim());
  int last = normalize_axis("flatten", end_axis, a.ndim());
  if (first > last) {
    throw std::invalid_argument(
        "[flatten] start_axis must not lie after end_axis.");
  }
  const Shape& from = a.shape();
  Shape shape(from.begin(), from.begin() + first);
  shape.push_back(
      element_count(std::span(from).subspan(first, last + 1 - first)));
  shape.insert(shape.end(), from.begin() + last + 1, from.end());
  return reshape(a, std::move(shape), s);
}

array transpose(const array& a, std::vector<int> axes) {
  if (static_cast<int>(axes.size()) != a.ndim()) {
    throw std::invalid_argument(
        "[transpose] Received " + std::to_string(axes.size()) +
        " axes for array with " + std::to_string(a.ndim()) + " dimensions.");
  }
  Shape shape;
  Strides strides;
  std::vector<bool> seen(axes.size());
  for (int axis : axes) {
    auto i = static_cast<size_t>(normalize_axis("transpose", axis, a.ndim()));
    if (seen[i]) {
      throw std::invalid_argument("[transpose] Repeat axes not allowed.");
    }
    seen[i] = true;
    shape.push_back(a.shape()[i]);
    strides.push_back(a.strides()[i]);
  }
  return a.as_strided(std::move(shape), std::move(strides), a.offset());
}

array transpose(const array& a) {
  std::vector<int> axes(a.shape().size());
  std::iota(axes.rbegin(), axes.rend(), 0);
  return transpose(a, std::move(axes));
}

array swapaxes(const array& a, int axis1, int axis2) {
  std::vector<int> axes(a.shape().size());
  std::iota(axes.begin(), axes.end(), 0);
  int first = normalize_axis("swapaxes", axis1, a.ndim());
  int second = normalize_axis("swapaxes", axis2, a.ndim());
  std::swap(axes[static_cast<size_t>(first)],
            axes[static_cast<size_t>(second)]);
  return transpose(a, std::move(axes));
}

array moveaxis(const array& a, int source, int destination) {
  std::vector<int> axes(a.shape().size());
  std::iota(axes.begin(), axes.end(), 0);
  int from = normalize_axis("moveaxis", source, a.ndim());
  int to = normalize_axis("moveaxis", destination, a.ndim());
  axes.erase(axes.begin() + from);
  axes.insert(axes.begin() + to, from);
  return transpose(a, std::move(axes));
}

array squeeze(const array& a, std::vector<int> axes) {
  axes = normalize_axes("squeeze", std::move(axes), a.ndim());
  Shape shape = a.shape();
  Strides strides = a.strides();
  for (size_t i = axes.size(); i-- > 0;) {
    if (shape[static_cast<size_t>(axes[i])] != 1) {
      throw std::invalid_argument(
          "[squeeze] Cannot squeeze axis " + std::to_string(axes[i]) +
          " with size " + std::to_string(shape[static_cast<size_t>(axes[i])]) +
          " which is not equal to 1.");
    }
    shape.erase(shape.begin() + axes[i]);
    strides.erase(strides.begin() + axes[i]);
  }
  return a.as_strided(std::move(shape), std::move(strides), a.offset());
}

array squeeze(const array& a) {
  std::vector<int> axes;
  for (int i = 0; i < a.ndim(); ++i) {
    if (a.shape(i) == 1) axes.push_back(i);
  }
  return squeeze(a, std::move(axes));
}

array expand_dims(const array& a, std::vector<int> axes) {
  int ndim = a.ndim() + static_cast<int>(axes.size());
  Shape shape = a.shape();
  Strides strides = a.strides();
  for (int axis : normalize_axes("expand_dims", std::move(axes), ndim)) {
    shape.insert(shape.begin() + axis, 1);
    strides.insert(strides.begin() + axis, 1);
  }
  return a.as_strided(std::move(shape), std::move(strides), a.offset());
}

array broadcast_to(const array& a, const Shape& shape) {
  checked_size("broadcast_to", shape, a.dtype());
  size_t added = shape.size() - a.shape().size();
  bool fits = shape.size() >= a.shape().size();
  Strides strides(shape.size(), 0);
  for (size_t i = 0; fits && i < a.shape().size(); ++i) {
    if (a.shape()[i] == shape[added + i]) {
      strides[added + i] = a.strides()[i];
    } else if (a.shape()[i] != 1) {
      fits = false;
    }
  }
  if (!fits) {
    throw std::invalid_argument("[broadcast_shapes] Shapes " +
                                to_string(a.shape()) + " and " +
                                to_string(shape) + " cannot be broadcast.");
  }
  return a.as_strided(shape, std::move(strides), a.offset());
}

}  // namespace upsweep
