// TileKernel: the scan of a tile, for any monoid and any instruction set: one
// long line by segments, or up to a panel of lines, a strip at a time.
#pragma once

#include <new>

#include "lanes_double.h"
#include "lanes_exact.h"
#include "lanes_narrow.h"
#include "line.h"

namespace upsweep {
namespace {

template <class M>
struct TileKernel {
  using Value = typename M::Value;
  using Running = typename M::Running;
  using L = Lanes<M>;
  using Carry = typename L::Carry;

  static constexpr int n = kLanes<Value>;

  static int64_t strips(int64_t width) { return (width + n - 1) / n; }
  static size_t carry_size(int64_t width) {
    return sizeof(Carry) * static_cast<size_t>(strips(width));
  }
  static size_t summary_size(int64_t width, int64_t length) {
    return width == 1 ? Line<M>::plan_size(length)
                      : sizeof(Summary<M>) * static_cast<size_t>(width);
  }

  static void start(void* carry, int64_t width) {
    auto* lanes = static_cast<Carry*>(carry);
    for (int64_t g = 0; g < strips(width); ++g) {
      for (int i = 0; i < n; ++i) lanes[g].set(i, M::start());
    }
  }

  static void reduce(const Tile& tile, void* summary, bool bounded) {
    if (tile.width == 1) {
      bounded ? Line<M>::template reduce<true>(tile, summary)
              : Line<M>::template reduce<false>(tile, summary);
      return;
    }
    auto* lines = static_cast<Summary<M>*>(summary);
    for (int64_t i = 0; i < tile.width; ++i) new (lines + i) Summary<M>();
    int64_t done = 0;
    if constexpr (L::kSegments) {
      for (; done + n <= tile.width; done += n) {
        reduce_strip(strip(tile, 0, tile.length, done), lines + done);
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
        Running after = get(lanes, i);
        if (!M::predict(after, lines[i].total, lines[i].range)) return false;
      }
    }
    for (int64_t i = 0; i < width; ++i) {
      Running after = get(lanes, i);
      if constexpr (M::kExact) {
        M::combine(after, lines[i].total);
      } else {
        M::predict(after, lines[i].total, lines[i].range);
      }
      set(lanes, i, after);
    }
    return true;
  }

  static void scan(const Tile& tile, void* carry, const void* summary,
                   bool inclusive) {
    auto* lanes = static_cast<Carry*>(carry);
    if (tile.width == 1) {
      Line<M>::scan(tile, *lanes, summary, inclusive);
    } else {
      scan_panel(tile, lanes, summary, inclusive);
    }
    if (tile.streaming) order_streams();
  }

 private:
  static void scan_panel(const Tile& tile, Carry* lanes, const void* summary,
                         bool inclusive) {
    auto* lines = static_cast<const Summary<M>*>(summary);
    Carry before[kMaxStrips];
    if (lines && !M::kExact) {
      std::copy_n(lanes, strips(tile.width), before);
    }
    scan_strips(tile, lanes, inclusive);
    if constexpr (!M::kExact) {
      for (int64_t i = 0; lines && i < tile.width; ++i) {
        set(lanes, i,
            Line<M>::join(get(before, i), lines[i].total, get(lanes, i)));
      }
    }
  }

  static constexpr int64_t kMaxStrips =
      kPanelBytes / static_cast<int64_t>(sizeof(Value)) / n;

  // The running result of one line.
  static Running get(const Carry* carry, int64_t line) {
    return carry[line / n].get(static_cast<int>(line % n));
  }
  static void set(Carry* carry, int64_t line, const Running& r) {
    carry[line / n].set(static_cast<int>(line % n), r);
  }

  static void reduce_strip(const Tile& strip, Summary<M>* lines) {
    TotalOf<M> totals[n];
    RangeOf<M> ranges[n];
    fold_lanes<M, true>(strip, totals, ranges);
    if constexpr (!M::kExact) mark_kinds<M>(strip, totals, ranges);
    for (int l = 0; l < n; ++l) {
      lines[l].total = totals[l];
      if constexpr (!M::kExact) lines[l].range = ranges[l];
    }
  }

  // Some rows of up to as many lines of a tile as there are lanes.
  static Tile strip(const Tile& tile, int64_t row, int64_t rows,
                    int64_t first) {
    Tile strip = tile;
    strip.in = static_cast<const Value*>(tile.in) + row * tile.in_step +
               first * tile.in_lane;
    strip.out = static_cast<Value*>(tile.out) + row * tile.out_step +
                first * tile.out_lane;
    strip.ahead =
        tile.ahead +
        static_cast<uintptr_t>(row * tile.width + first * rows) * sizeof(Value);
    strip.length = rows;
    strip.width = std::min<int64_t>(n, tile.width - first);
    return strip;
  }

  // Whether each row of a strip of columns is one cache line, and all lines of
  // some rows are neighbours: then nothing is gained by a buffer.
  static bool can_stream(const Tile& tile) {
    return n * sizeof(Value) == 64 && tile.width % n == 0 &&
           std::abs(tile.out_step) == tile.width &&
           reinterpret_cast<uintptr_t>(tile.out) % 64 == 0;
  }

  static void scan_strips(const Tile& tile, Carry* carry, bool inclusive) {
    bool columns = tile.in_lane == 1 && tile.out_lane == 1;
    int64_t step = columns ? Strip<M>::rows_at_once(tile.width) : kRows;
    bool direct = !tile.streaming || can_stream(tile);
    Outflow<Bits<Value>> outflow;
    for (int64_t row = 0; row < tile.length; row += step) {
      int64_t rows = std::min(step, tile.length - row);
      if (columns && !direct) {
        scan_streaming(tile, row, rows, carry, inclusive);
        continue;
      }
      for (int64_t g = 0; g < strips(tile.width); ++g) {
        Strip<M>::scan(strip(tile, row, rows, g * n), carry[g], inclusive,
                       tile.streaming ? &outflow : nullptr);
      }
    }
  }

  // Rows of columns by way of a buffer, so that each goes to memory in one go.
  static void scan_streaming(const Tile& tile, int64_t row, int64_t rows,
                             Carry* carry, bool inclusive) {
    alignas(64) Value buffer[kPanelRows * kMaxStrips * n];
    Tile buffered = strip(tile, row, rows, 0);
    auto* to = static_cast<Bits<Value>*>(buffered.out);
    buffered.width = tile.width;
    buffered.out = buffer;
    buffered.streaming = false;
    buffered.out_step = tile.width;
    for (int64_t g = 0; g < strips(tile.width); ++g) {
      Strip<M>::scan(strip(buffered, 0, rows, g * n), carry[g], inclusive,
                     nullptr);
    }
    for (int64_t i = 0; i < rows; ++i) {
      stream_copy(to + i * tile.out_step,
                  reinterpret_cast<Bits<Value>*>(buffer) + i * tile.width,
                  tile.width);
    }
  }
};

template <class M>
constexpr Kernel make_kernel() {
  using K = TileKernel<M>;
  return {K::carry_size, K::summary_size, K::start,          K::reduce,
          K::predict,    K::scan,         Line<M>::kSegments};
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

// Modulo 2^k, signed and unsigned numbers have the same bits.
template <template <class> class M>
constexpr bool kWraps = false;
template <>
inline constexpr bool kWraps<Product> = true;
template <>
inline constexpr bool kWraps<Sum> = true;
template <template <class> class M, class T>
using SignedOf = M<std::conditional_t<kWraps<M>, std::make_unsigned_t<T>, T>>;

template <template <class> class M>
constexpr Kernel kIntegers[] = {
    make_kernel<M<uint8_t>>(),           make_kernel<M<uint16_t>>(),
    make_kernel<M<uint32_t>>(),          make_kernel<M<uint64_t>>(),
    make_kernel<SignedOf<M, int8_t>>(),  make_kernel<SignedOf<M, int16_t>>(),
    make_kernel<SignedOf<M, int32_t>>(), make_kernel<SignedOf<M, int64_t>>()};

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
