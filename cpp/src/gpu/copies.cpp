// Cuts a copy into launches whose elements 31 bits can count, and prepares the
// division of an index by the extents of its axes.
#include "copies.h"

#include <bit>

namespace upsweep {

namespace {

constexpr uint32_t kind_of(Dtype dtype) {
  return static_cast<uint32_t>(dtype.val);
}
static_assert(kind_of(bool_) == kBool && kind_of(uint8) == kUint8 &&
              kind_of(int8) == kInt8 && kind_of(float16) == kFloat16 &&
              kind_of(complex64) == kComplex64);

// Whether the host's conversion makes a signalling NaN quiet. It does unless it
// only moves bits.
bool quiets(Dtype from, Dtype to) {
  auto part = [](Dtype dtype) { return dtype == complex64 ? float32 : dtype; };
  if (from == float16 && to == float64) return false;
  if (from == bfloat16 && part(to) == float32) return false;
  return part(from) != part(to);
}

// For indices below 2^31: an extent's inverse, rounded up to 32 bits (Granlund
// and Montgomery, "Division by invariant integers using multiplication", 1994).
CopyAxis make_axis(const Plan::Axis& axis) {
  auto extent = static_cast<uint32_t>(axis.extent);
  auto bits = static_cast<uint32_t>(std::bit_width(extent - 1));
  uint64_t inverse = ((uint64_t{1} << (31 + bits)) + extent - 1) / extent;
  return {axis.in_step, extent, static_cast<uint32_t>(inverse), bits - 1};
}

// Halves the outermost axis until each part is small enough: then the parts lie
// one after the other in the result.
void append(std::vector<Plan::Axis> axes, int64_t most, CopyParams params,
            std::vector<CopyParams>& all) {
  std::erase_if(axes, [](const Plan::Axis& axis) { return axis.extent == 1; });
  int64_t count = 1;
  for (const Plan::Axis& axis : axes) count *= axis.extent;
  if (count > most) {
    Plan::Axis whole = axes.front();
    axes.front().extent = whole.extent / 2;
    append(axes, most, params, all);
    params.in_start += whole.extent / 2 * whole.in_step;
    params.out_start += whole.extent / 2 * whole.out_step;
    axes.front().extent = whole.extent - whole.extent / 2;
    append(std::move(axes), most, params, all);
    return;
  }
  params.count = static_cast<uint32_t>(count);
  params.axis[0] = {0, 1, 0, 0};
  params.axes = 0;
  for (size_t i = axes.size(); i-- > 0;) {
    params.axis[params.axes++] = make_axis(axes[i]);
  }
  if (params.axes == 0) params.axes = 1;
  all.push_back(params);
}

}  // namespace

std::vector<CopyParams> make_copies(const CopyWork& work, int64_t most) {
  std::vector<CopyParams> all;
  if (work.elements() == 0) return all;
  std::vector<Plan::Axis> axes;
  for (const Plan::Axis& axis : work.axes) append_axis(axes, axis);
  CopyParams params{};
  params.in_start = work.in_offset;
  params.in_size = static_cast<uint32_t>(work.in_dtype.size());
  params.out_size = static_cast<uint32_t>(work.out_dtype.size());
  params.from = kind_of(work.in_dtype);
  params.to = kind_of(work.out_dtype);
  params.quiets = quiets(work.in_dtype, work.out_dtype);
  params.replaces_nan = work.nan_as.has_value();
  params.nan_as = work.nan_as.value_or(0);
  append(std::move(axes), most, params, all);
  return all;
}

Launch to_launch(const CopyParams& params, uint32_t threads) {
  bool is_plain = params.from == params.to && params.from != kBool;
  int64_t group = int64_t{threads} * kCopyItems;
  return Launch::make({{"copy", is_plain ? "bits" : "numbers",
                        (params.count + group - 1) / group}},
                      params);
}

}  // namespace upsweep
