// Scans along an axis of one element. No line has to wait for another, and a
// line has no carry: an exclusive scan fills its result with the identity
// without reading, an inclusive one takes the elements in the order that memory
// likes best.
#include "singles.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "../host/carries.h"
#include "../host/pool.h"
#include "isa.h"
#include "packing.h"
#include "strided_copy.h"

namespace upsweep {

namespace {

// How much less an element costs than one of a longer line.
constexpr int64_t kCheaper = 4;
// Elements with gaps between them that are packed at once.
constexpr int64_t kBlock = 1024;
// Fewer elements in a block take longer than a scan of lines.
constexpr int64_t kLeast = 32;
// Where rows of the result are columns of the input, elements of a row in a
// block: as many cache lines as the first-level cache certainly has.
constexpr int64_t kBlockRow = 64;

// As for_ranges, which work on few elements does without: each element costs
// less than in other scans.
template <class Fn>
void share(int64_t size, int64_t cost, const Fn& fn) {
  if (threads_for(size * cost / kCheaper) == 1) return fn(0, size);
  for_ranges(size, fn, cost);
}

template <class U>
void fill(const ScanWork& work) {
  CarryRecord identity = carry_methods(work.op, work.dtype).identity();
  U value;
  carry_methods(work.op, work.dtype).store_value(identity, &value);
  auto* out = static_cast<U*>(work.out->data());
  share(work.plan.elements(), 1, [&](int64_t first, int64_t last) {
    copy_line<0>(out + first, &value, 0, last - first);
  });
}

// The axes of an input with gaps, at least two.
std::vector<Plan::Axis> packed_axes(const Plan& plan) {
  std::vector<Plan::Axis> axes(2, Plan::Axis{1, 0, 0});
  for (const Plan::Axis& axis : copy_input(plan).axes) {
    append_axis(axes, axis);
  }
  return axes;
}

// Whether its blocks are worth their preparation.
bool has_large_blocks(const Plan& plan) {
  std::vector<Plan::Axis> axes = packed_axes(plan);
  return axes[axes.size() - 1].extent * axes[axes.size() - 2].extent >= kLeast;
}

// An input with gaps, in blocks of its two innermost axes.
template <class U>
class Blocks {
 public:
  Blocks(const ScanWork& work, const Kernel& kernel)
      : kernel_(kernel),
        axes_(packed_axes(work.plan)),
        row_(axes_[axes_.size() - 1]),
        outer_(axes_[axes_.size() - 2]),
        in_(static_cast<const U*>(work.in->data()) + work.in_offset),
        out_(static_cast<U*>(work.out->data())) {
    bool are_columns = std::abs(row_.in_step) > 2 && outer_.extent > 1 &&
                       std::abs(outer_.in_step) < std::abs(row_.in_step);
    width_ = std::min(row_.extent, are_columns ? kBlockRow : kBlock);
    height_ = std::clamp<int64_t>(kBlock / width_, 1, outer_.extent);
  }

  void run() const {
    int64_t across = ceil_div(row_.extent, width_);
    int64_t down = ceil_div(outer_.extent, height_);
    int64_t count = across * down;
    for (size_t i = 0; i + 2 < axes_.size(); ++i) count *= axes_[i].extent;
    share(count, width_ * height_, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        scan(i / across / down, i / across % down * height_,
             i % across * width_);
      }
    });
  }

 private:
  // The block whose first element is at a row and a column of a matrix.
  void scan(int64_t matrix, int64_t top, int64_t left) const {
    const U* in = in_ + top * outer_.in_step + left * row_.in_step;
    U* out = out_ + (matrix * outer_.extent + top) * row_.extent + left;
    for (size_t i = axes_.size() - 2; i-- > 0;) {
      in += matrix % axes_[i].extent * axes_[i].in_step;
      matrix /= axes_[i].extent;
    }
    int64_t width = std::min(width_, row_.extent - left);
    int64_t height = std::min(height_, outer_.extent - top);
    U block[kBlock];
    copy_rows(block,
              StridedRows<U>{in, width, row_.in_step, height, outer_.in_step});
    if (width == row_.extent) {
      width *= height;
      height = 1;
    }
    for (int64_t i = 0; i < height; ++i) {
      kernel_.scan_singles(block + i * width, out + i * row_.extent, width,
                           kernel_.key_mask);
    }
  }

  const Kernel& kernel_;
  std::vector<Plan::Axis> axes_;  // outermost first
  Plan::Axis row_, outer_;        // the innermost, and the one outside it
  const U* in_;
  U* out_;
  int64_t width_, height_;  // of a block
};

void scan_packed(const ScanWork& work, const Kernel& kernel) {
  auto itemsize = static_cast<int64_t>(work.dtype.size());
  auto* in =
      static_cast<const char*>(work.in->data()) + work.in_offset * itemsize;
  auto* out = static_cast<char*>(work.out->data());
  share(work.plan.elements(), 1, [&](int64_t first, int64_t last) {
    kernel.scan_singles(in + first * itemsize, out + first * itemsize,
                        last - first, kernel.key_mask);
  });
}

template <class U>
void run_as(const ScanWork& work) {
  if (!work.inclusive) return fill<U>(work);
  const Kernel& kernel = isa().kernel(work.op, work.dtype);
  is_packed(work.plan) ? scan_packed(work, kernel)
                       : Blocks<U>(work, kernel).run();
}

}  // namespace

bool are_singles(const ScanWork& work) {
  return work.plan.length.extent == 1 && work.is_plain() &&
         work.plan.elements() > 0 &&
         (!work.inclusive || is_packed(work.plan) ||
          has_large_blocks(work.plan));
}

void run_singles(const ScanWork& work) {
  switch (work.dtype.size()) {
    case 1:
      return run_as<uint8_t>(work);
    case 2:
      return run_as<uint16_t>(work);
    case 4:
      return run_as<uint32_t>(work);
    default:
      return run_as<uint64_t>(work);
  }
}

}  // namespace upsweep
