// TileKernel: the scan of a tile, for any monoid and any instruction set.
//
// Lines are scanned sixteen at a time, one in each lane, so that no lane ever
// waits for another and no combination is done twice:
//
//   columns    lanes are neighbours in memory, and rows are loaded as they lie
//   lines      blocks of sixteen lines are transposed on their way in and out
//   one line   is cut into sixteen segments, and those become the lanes. Each
//              starts from the carry and the totals of those before it. Where a
//              result leaves the range of the dtype those starts are wrong, and
//              the line is scanned again from its first element.
//
// Where a line is cut depends on its length alone.
#pragma once

#include <algorithm>
#include <bit>
#include <new>

#include "kernels.h"
#include "lanes.h"
#include "lanes_double.h"
#include "lanes_integer.h"
#include "lanes_narrow.h"
#include "transpose.h"

namespace upsweep {
namespace {

// Rows of a block that is transposed in the first-level cache.
constexpr int kBlock = 64;
// Rows that all groups of lanes of a panel advance before the next rows, where
// rows need no transposing: few enough to walk memory in order.
constexpr int kColumnBlock = 8;

template <class M>
struct Summary {
  typename M::Total total = M::none();
  typename M::Range range;
};
template <class M>
  requires M::kExact
struct Summary<M> {
  typename M::Running total = M::start();
};

// The summary of one line that is cut into segments.
template <class M>
struct LineSummary : Summary<M> {
  Summary<M> segment[kLanes];
};

template <class M>
struct TileKernel {
  using Value = typename M::Value;
  using Running = typename M::Running;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  using Bits = std::make_unsigned_t<Signed<Value>>;

  static constexpr int64_t kSideOf = kSide<Bits>;

  static int64_t groups(int64_t width) { return (width + kLanes - 1) / kLanes; }
  static size_t carry_size(int64_t width) {
    return sizeof(Carry) * static_cast<size_t>(groups(width));
  }
  static size_t summary_size(int64_t width) {
    return width == 1 ? sizeof(LineSummary<M>)
                      : sizeof(Summary<M>) * static_cast<size_t>(width);
  }

  static void start(void* carry, int64_t width) {
    auto* lanes = static_cast<Carry*>(carry);
    for (int64_t g = 0; g < groups(width); ++g) {
      for (int i = 0; i < kLanes; ++i) lanes[g].set(i, M::start());
    }
  }

  static void reduce(const Tile& tile, void* summary, bool bounded) {
    if (tile.width == 1) {
      auto& line = *new (summary) LineSummary<M>();
      bounded ? reduce_line<true>(tile, line) : reduce_line<false>(tile, line);
      return;
    }
    auto* lines = static_cast<Summary<M>*>(summary);
    for (int64_t i = 0; i < tile.width; ++i) new (lines + i) Summary<M>();
    int64_t done = 0;
    if constexpr (L::kSegments) {
      if (tile.in_lane == 1) {
        for (; done + kLanes <= tile.width; done += kLanes) {
          reduce_columns(tile, done, lines + done);
        }
      }
    }
    auto* in = static_cast<const Value*>(tile.in);
    for (int64_t t = 0; t < tile.length; ++t, in += tile.in_step) {
      for (int64_t i = done; i < tile.width; ++i) {
        take(lines[i], in[i * tile.in_lane]);
      }
    }
  }

  static bool predict(void* carry, const void* summary, int64_t width) {
    auto* lanes = static_cast<Carry*>(carry);
    auto* lines = static_cast<const Summary<M>*>(summary);
    if constexpr (!M::kExact) {
      for (int64_t i = 0; i < width; ++i) {
        Running after = lanes[i / kLanes].get(i % kLanes);
        if (!M::predict(after, lines[i].total, lines[i].range)) return false;
      }
    }
    for (int64_t i = 0; i < width; ++i) {
      Running after = lanes[i / kLanes].get(i % kLanes);
      if constexpr (M::kExact) {
        M::combine(after, lines[i].total);
      } else {
        M::predict(after, lines[i].total, lines[i].range);
      }
      lanes[i / kLanes].set(i % kLanes, after);
    }
    return true;
  }

  static void scan(const Tile& tile, void* carry, const void* summary,
                   bool inclusive) {
    auto* lanes = static_cast<Carry*>(carry);
    if (tile.width == 1) {
      auto* line = static_cast<const LineSummary<M>*>(summary);
      inclusive ? scan_line<true>(tile, *lanes, line)
                : scan_line<false>(tile, *lanes, line);
      return;
    }
    auto* lines = static_cast<const Summary<M>*>(summary);
    Carry before[kMaxGroups];
    if (lines && !M::kExact) {
      std::memcpy(before, lanes, carry_size(tile.width));
    }
    inclusive ? scan_lanes<true>(tile, lanes) : scan_lanes<false>(tile, lanes);
    if constexpr (!M::kExact) {
      for (int64_t i = 0; lines && i < tile.width; ++i) {
        Carry& after = lanes[i / kLanes];
        int lane = static_cast<int>(i % kLanes);
        after.set(lane, join(before[i / kLanes].get(lane), lines[i].total,
                             after.get(lane)));
      }
    }
  }

 private:
  static constexpr int64_t kMaxGroups = 16;

  // The carry behind a tile that was scanned from before to after.
  static Running join(const Running& before, const auto& total,
                      const Running& after) {
    return M::is_alive(after) && M::usable(total) ? M::apply(before, total)
                                                  : after;
  }

  static void take(Summary<M>& summary, Value x) {
    if constexpr (M::kExact) {
      M::advance(summary.total, x);
    } else {
      M::fold(summary.total, x);
      M::widen(summary.range, summary.total, x);
    }
  }

  // Sixteen neighbouring lines from the given one on.
  static void reduce_columns(const Tile& tile, int64_t first,
                             Summary<M>* lines) {
    auto* in = static_cast<const Value*>(tile.in) + first;
    typename L::template Fold<true> fold;
    for (int64_t t = 0; t < tile.length; ++t) {
      __builtin_prefetch(in + (t + 16) * tile.in_step);
      fold.add(in + t * tile.in_step, t);
    }
    fold.finish_lanes(lines);
    if constexpr (!M::kExact) {
      for (int i = 0; i < kLanes; ++i) {
        mark(lines[i], in + i, tile.in_step, tile.length);
      }
    }
  }

  // Elements of a segment: whole blocks to transpose, and cache lines of their
  // own where the line is long enough.
  static int64_t segment_length(int64_t length) {
    int64_t unit = length >= 1024 ? 4 * kSideOf : kSideOf;
    int64_t n = length / kLanes / unit * unit;
    // Sixteen segments at a distance of a large power of two would compete for
    // the same places of the cache.
    bool crowded = n * static_cast<int64_t>(sizeof(Value)) % 2048 == 0;
    return crowded ? std::max<int64_t>(n - unit, 0) : n;
  }

  template <bool bounded>
  static void reduce_line(const Tile& tile, LineSummary<M>& line) {
    auto* in = static_cast<const Value*>(tile.in);
    int64_t done = 0;
    if constexpr (L::kSegments) {
      bool adjacent = tile.in_step == 1 || tile.in_step == -1;
      int64_t n = segment_length(tile.length);
      for (Summary<M>& segment : line.segment) {
        // Which lane takes an element is of no matter, so that neighbours are
        // taken as they lie in memory.
        const Value* first = in + done * tile.in_step;
        int64_t step = adjacent ? 1 : tile.in_step;
        if (tile.in_step == -1) first -= n - 1;
        fold_segment<bounded>(segment, first, step, n);
        append(line, segment);
        done += n;
      }
    }
    for (; done < tile.length; ++done) take(line, in[done * tile.in_step]);
  }

  template <bool bounded>
  static void fold_segment(Summary<M>& segment, const Value* in, int64_t step,
                           int64_t n) {
    typename L::template Fold<bounded> fold;
    Value row[kLanes];
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const Value* from = in + i;
      if (step != 1) {
        for (int l = 0; l < kLanes; ++l) row[l] = in[(i + l) * step];
        from = row;
      }
      fold.add(from, i / kLanes);
    }
    fold.finish(segment);
    if constexpr (!M::kExact) mark(segment, in, step, i);
    for (; i < n; ++i) take(segment, in[i * step]);
  }

  // Folding has not looked at single elements. A usable total tells all there
  // is to know of them, otherwise they are looked at again.
  static void mark(Summary<M>& segment, const Value* in, int64_t step,
                   int64_t n) {
    if (M::usable(segment.total)) {
      M::mark(segment.range, segment.total);
    } else {
      typename M::Range range = segment.range;
      for (int64_t i = 0; i < n; ++i) M::mark(range, in[i * step]);
      segment.range = range;
    }
  }

  // Appends a segment, whose range starts where the line has come to.
  static void append(LineSummary<M>& line, const Summary<M>& segment) {
    if constexpr (M::kExact) {
      M::combine(line.total, segment.total);
    } else {
      M::extend(line.range, line.total, segment.range);
      M::append(line.total, segment.total);
    }
  }

  template <bool inclusive>
  static void scan_line(const Tile& tile, Carry& carry,
                        const LineSummary<M>* summary) {
    Running before = carry.get(0), after = before;
    int64_t done = 0;
    if constexpr (L::kSegments) {
      LineSummary<M> own;
      if (!summary && segment_length(tile.length) > 0) {
        reduce_line<false>(tile, own);
      }
      done = scan_segments<inclusive>(tile, summary ? *summary : own, after);
    }
    auto* in = static_cast<const Value*>(tile.in) + done * tile.in_step;
    auto* out = static_cast<Value*>(tile.out) + done * tile.out_step;
    for (; done < tile.length; ++done) {
      Value x = *in;
      Value y = M::value(after);
      Value z = M::advance(after, x);
      *out = inclusive ? z : y;
      in += tile.in_step;
      out += tile.out_step;
    }
    if constexpr (!M::kExact) {
      if (summary) after = join(before, summary->total, after);
    }
    carry.set(0, after);
  }

  // Scans a line as segments and takes r over them; returns how many elements
  // are done, none where it took the loop to tell.
  template <bool inclusive>
  static int64_t scan_segments(const Tile& tile, const LineSummary<M>& summary,
                               Running& r) {
    int64_t n = segment_length(tile.length);
    if (n == 0) return 0;
    Carry starts;
    Running at = r;
    for (int i = 0; i < kLanes; ++i) {
      starts.set(i, at);
      const auto& segment = summary.segment[i];
      if constexpr (M::kExact) {
        M::combine(at, segment.total);
      } else if (M::is_alive(at)) {
        if (!M::usable(segment.total)) return 0;
        at = M::apply(at, segment.total);
      } else if (!M::predict(at, segment.total, segment.range)) {
        return 0;
      }
    }
    Tile segments = tile;
    segments.length = n;
    segments.width = kLanes;
    segments.in_lane = n * tile.in_step;
    segments.out_lane = n * tile.out_step;
    bool alive = scan_lanes<inclusive>(segments, &starts);
    if constexpr (!M::kExact) {
      if (!alive && M::is_alive(r)) return 0;
    }
    r = at;
    return n * kLanes;
  }

  // Returns whether all results stayed alive.
  template <bool inclusive>
  static bool scan_lanes(const Tile& tile, Carry* carry) {
    alignas(64) Bits in_block[kBlock * kLanes];
    alignas(64) Bits out_block[kBlock * kLanes];
    bool columns_in = tile.in_lane == 1, columns_out = tile.out_lane == 1;
    bool aligned =
        reinterpret_cast<uintptr_t>(tile.out) % 64 == 0 &&
        tile.out_step * static_cast<int64_t>(sizeof(Value)) % 64 == 0;
    int64_t block = columns_in && columns_out ? kColumnBlock : kBlock;
    bool alive = true;
    for (int64_t s = 0; s < tile.length; s += block) {
      int rows = static_cast<int>(std::min(block, tile.length - s));
      for (int64_t g = 0; g < groups(tile.width); ++g) {
        int lanes = static_cast<int>(
            std::min<int64_t>(kLanes, tile.width - g * kLanes));
        auto* in = static_cast<const Value*>(tile.in) + s * tile.in_step +
                   g * kLanes * tile.in_lane;
        auto* out = static_cast<Value*>(tile.out) + s * tile.out_step +
                    g * kLanes * tile.out_lane;
        bool direct_in = columns_in && lanes == kLanes;
        bool direct_out = columns_out && lanes == kLanes;
        if (lanes < kLanes) {
          // Lanes without a line stay where they start.
          std::fill_n(in_block, rows * kLanes,
                      std::bit_cast<Bits>(M::value(M::start())));
        }
        if (!direct_in) {
          gather(reinterpret_cast<const Bits*>(in), tile.in_step, tile.in_lane,
                 lanes, rows, in_block, tile.ahead);
        }
        alive &= L::template advance<inclusive>(
            {direct_in ? in : reinterpret_cast<const Value*>(in_block),
             direct_in ? tile.in_step : kLanes,
             direct_out ? out : reinterpret_cast<Value*>(out_block),
             direct_out ? tile.out_step : kLanes, rows,
             direct_out && tile.streaming && aligned},
            carry[g]);
        if (!direct_out) {
          scatter(out_block, reinterpret_cast<Bits*>(out), tile.out_step,
                  tile.out_lane, lanes, rows, tile.streaming);
        }
      }
    }
    return alive;
  }
};

template <class M>
constexpr Kernel make_kernel() {
  using K = TileKernel<M>;
  return {K::carry_size, K::summary_size, K::start,
          K::reduce,     K::predict,      K::scan};
}

template <class T>
using Maximum = Extremum<T, true>;
template <class T>
using Minimum = Extremum<T, false>;

// One entry for each dtype, in the order of Dtype::Val.
template <template <class> class M>
constexpr Kernel kFloats[] = {make_kernel<M<float16_t>>(),
                              make_kernel<M<bfloat16_t>>(),
                              make_kernel<M<float>>(), make_kernel<M<double>>(),
                              make_kernel<M<complex64_t>>()};

template <template <class> class M>
constexpr Kernel kIntegers[] = {
    make_kernel<M<uint8_t>>(),  make_kernel<M<uint16_t>>(),
    make_kernel<M<uint32_t>>(), make_kernel<M<uint64_t>>(),
    make_kernel<M<int8_t>>(),   make_kernel<M<int16_t>>(),
    make_kernel<M<int32_t>>(),  make_kernel<M<int64_t>>()};

template <template <class> class M>
constexpr Kernel kBool = make_kernel<M<bool>>();

template <template <class> class M>
const Kernel& of_dtype(Dtype dtype) {
  auto at = static_cast<size_t>(dtype.val);
  if constexpr (requires { M<bool>::start(); }) {
    if (dtype == bool_) return kBool<M>;
  }
  if constexpr (requires { M<int8_t>::start(); }) {
    if (dtype.is_integer()) return kIntegers<M>[at - 1];
  }
  return kFloats<M>[at - static_cast<size_t>(Dtype::Val::float16)];
}

const Kernel& kernel_of(Op op, Dtype dtype) {
  switch (op) {
    case Op::prod:
      return of_dtype<Product>(dtype);
    case Op::sum:
      return of_dtype<Sum>(dtype);
    case Op::max:
      return of_dtype<Maximum>(dtype);
    case Op::min:
      return of_dtype<Minimum>(dtype);
    case Op::logaddexp:
      return of_dtype<LogAddExp>(dtype);
  }
  __builtin_unreachable();
}

}  // namespace
}  // namespace upsweep
