// Copying pieces of arrays with any strides.
#include "packing.h"

#include <algorithm>
#include <cstdlib>

#include "strided_copy.h"

namespace upsweep {

namespace {

// Goes over the two innermost axes row by row: the rest of a row, whole rows,
// and the beginning of one.
template <class U>
void pack_elements(const std::vector<Plan::Axis>& axes, const U* in,
                   int64_t first, int64_t count, U* out) {
  const Plan::Axis row = axes.back();
  const Plan::Axis outer =
      axes.size() > 1 ? axes[axes.size() - 2] : Plan::Axis{1, 0, 0};
  for (int64_t done = 0; done < count;) {
    int64_t at = (first + done) % row.extent;
    int64_t index = (first + done) / row.extent;
    const U* from = in + at * row.in_step;
    int64_t rows = outer.extent - index % outer.extent;
    for (size_t i = axes.size() - 1; i-- > 0;) {
      from += index % axes[i].extent * axes[i].in_step;
      index /= axes[i].extent;
    }
    int64_t whole = std::min(rows, (count - done) / row.extent);
    int64_t width = row.extent;
    if (at != 0 || whole == 0) {
      whole = 1;
      width = std::min(row.extent - at, count - done);
    }
    copy_rows(out + done,
              StridedRows<U>{from, width, row.in_step, whole, outer.in_step});
    done += whole * width;
  }
}

// Elements with larger steps have a cache line each.
constexpr int64_t kCloseStep = 4;
constexpr int64_t kCacheLine = 64;

}  // namespace

bool is_packed(const Plan& plan) {
  int64_t width = std::abs(plan.length.out_step);
  // The result may have room for initial values.
  auto is_in_place = [&](const Plan::Axis& axis) {
    bool is_before = axis.out_step >= width * plan.out_extent;
    int64_t step = is_before
                       ? axis.out_step / plan.out_extent * plan.length.extent
                       : axis.out_step;
    return axis.extent == 1 || axis.in_step == step;
  };
  return (plan.length.extent == 1 ||
          plan.length.in_step == plan.length.out_step) &&
         is_in_place(plan.inner) &&
         std::all_of(plan.outer.begin(), plan.outer.end(), is_in_place);
}

Packing::Packing(const std::vector<Plan::Axis>& axes, size_t itemsize)
    : itemsize_(itemsize) {
  for (const Plan::Axis& axis : axes) append_axis(axes_, axis);
  if (axes_.empty()) axes_.push_back({1, 1, 1});
}

void Packing::pack(const void* in, int64_t first, int64_t count,
                   void* out) const {
  auto pack_as = [&]<class U>(U) {
    pack_elements(axes_, static_cast<const U*>(in), first, count,
                  static_cast<U*>(out));
  };
  switch (itemsize_) {
    case 1:
      return pack_as(uint8_t{});
    case 2:
      return pack_as(uint16_t{});
    case 4:
      return pack_as(uint32_t{});
    default:
      return pack_as(uint64_t{});
  }
}

void Packing::prefetch(const void* in, int64_t first, int64_t count) const {
  int64_t step = axes_.back().in_step;
  if (std::abs(step) > kCloseStep) return;
  int64_t at = 0;
  for (size_t i = axes_.size(); i-- > 0;) {
    int64_t in_axis = i > 0 ? first % axes_[i].extent : first;
    at += in_axis * axes_[i].in_step;
    first /= axes_[i].extent;
  }
  auto itemsize = static_cast<int64_t>(itemsize_);
  int64_t lowest = std::min(at, at + (count - 1) * step) * itemsize;
  int64_t end = lowest + (count - 1) * std::abs(step) * itemsize + 1;
  for (; lowest < end; lowest += kCacheLine) {
    __builtin_prefetch(static_cast<const char*>(in) + lowest);
  }
}

}  // namespace upsweep
