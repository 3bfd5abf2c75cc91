// StripedColumns: the scan of a few long lines side by side, fewer than the
// lanes of a register. Each line is cut into stripes, as StripedLine does, and
// the elements of all lines in a stripe are one run of memory: squares of
// registers transpose the runs of a block of stripes into rows of lanes. Every
// so many rows are one line's.
#pragma once

#include "striped_line.h"

namespace upsweep {
namespace {

// Stripes that are the lanes of rows already, in memory of their own.
template <class Value>
struct StripesInRows {
  static constexpr bool kAreRuns = false;

  const Value* in;
  Value* out;
  int64_t width;  // lines

  Tile block(const Tile& tile, int64_t done, int64_t length) const {
    constexpr int64_t n = kLanes<Value>;
    Tile block = tile;
    block.in = in + done * width;
    block.out = out + done * width;
    block.length = length;
    block.width = n;
    block.in_step = block.out_step = width * n;
    block.in_lane = block.out_lane = 1;
    block.streaming = false;
    block.in_cache = true;
    return block;
  }
};

template <class M>
class StripedColumns {
 public:
  using Value = typename M::Value;
  using U = Bits<Value>;
  using Prefix = typename M::Prefix;
  using Aggregate = AggregateOf<M>;
  using Line = StripedLine<M, StripesInRows<Value>>;
  static constexpr int n = kLanes<Value>;

  // Whether a tile is such columns.
  static bool has(const Tile& tile) {
    bool is_in_place =
        !tile.out || (tile.out_lane == 1 && tile.in_step == tile.out_step);
    return has(tile.width) && tile.in_lane == 1 && is_in_place &&
           std::abs(tile.in_step) == tile.width;
  }
  static bool has(int64_t width) {
    return Line::kHasStripes && width > 1 && width < n;
  }

  // The Summary of each line, the aggregates before its stripes, the elements
  // in rows and the results in rows.
  static size_t summary_size(int64_t width, int64_t length) {
    return Memory(nullptr, width, length).size;
  }

  template <bool bounded>
  static void reduce(const Tile& tile, void* memory) {
    const Memory in(memory, tile.width, tile.length);
    Line::each_length(tile.length, [&](int64_t done, int64_t length) {
      int64_t run = length * tile.width;
      prefetch_places(tile, done * tile.width, n * run);
      gather(first(tile, static_cast<const U*>(tile.in), done), direction(tile),
             direction(tile) * run, n, static_cast<int>(run),
             in.elements + done * tile.width);
    });
    for (int64_t i = 0; i < tile.width; ++i) {
      auto& summary = *new (in.lines + i) Summary<M>();
      Line::template reduce<bounded>(line(tile, i), in.stripes(tile, i),
                                     summary, in.before(i));
    }
  }

  // Scans line i, from a prefix to the one that it returns.
  static Prefix scan_line(const Tile& tile, int64_t i, const Prefix& start,
                          const void* memory, bool inclusive) {
    const Memory in(const_cast<void*>(memory), tile.width, tile.length);
    return Line::scan(line(tile, i), in.stripes(tile, i), start, in.lines + i,
                      in.before(i), inclusive);
  }

  // Writes the results of all lines to their place.
  static void store(const Tile& tile, const void* memory) {
    const Memory in(const_cast<void*>(memory), tile.width, tile.length);
    Line::each_length(tile.length, [&](int64_t done, int64_t length) {
      int64_t run = length * tile.width;
      auto steps = static_cast<int>(run);
      const U* rows = in.results + done * tile.width;
      U* to = first(tile, static_cast<U*>(tile.out), done);
      int64_t step = direction(tile);
      if (!tile.streaming) return scatter(rows, to, step, step * run, n, steps);
      // The elements are not needed any more.
      int64_t last = step < 0 ? n * run - 1 : 0;
      scatter(rows, in.elements + last, step, step * run, n, steps);
      stream_copy(to - last, in.elements, n * run);
    });
  }

 private:
  struct Memory {
    Memory(void* memory, int64_t width, int64_t length)
        : length_(Line::stripes(length) + 1) {
      auto* at = static_cast<char*>(memory);
      auto take = [&]<class T>(T*& to, int64_t count) {
        to = reinterpret_cast<T*>(at + size);
        size += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
      };
      take(lines, width);
      take(aggregates_, width * length_);
      take(elements, width * length);
      take(results, width * length);
    }

    Aggregate* before(int64_t line) const {
      return aggregates_ + line * length_;
    }
    StripesInRows<Value> stripes(const Tile& tile, int64_t line) const {
      int64_t row = direction(tile) > 0 ? line : tile.width - 1 - line;
      return {reinterpret_cast<Value*>(elements) + row * n,
              reinterpret_cast<Value*>(results) + row * n, tile.width};
    }

    Summary<M>* lines;
    U *elements, *results;
    size_t size = 0;

   private:
    int64_t length_;
    Aggregate* aggregates_;
  };

  // Prefetches elements of the next tile, and where this tile's results go.
  static void prefetch_places(const Tile& tile, int64_t done, int64_t count) {
    auto at = static_cast<uintptr_t>(done) * sizeof(U);
    auto end = at + static_cast<uintptr_t>(count) * sizeof(U);
    auto to = reinterpret_cast<uintptr_t>(tile.out);
    for (; at < end; at += 64) {
      prefetch(tile.next_read + at);
      if (tile.out && !tile.streaming) {
        prefetch_results(direction(tile) > 0 ? to + at : to - at);
      }
    }
  }

  static int64_t direction(const Tile& tile) {
    return tile.in_step < 0 ? -1 : 1;
  }

  // Where the run of element `done` of the lines starts, in the direction of
  // the scan. Backwards the last line comes first.
  template <class T>
  static T* first(const Tile& tile, T* at, int64_t done) {
    return at + done * tile.in_step + (tile.in_step < 0 ? tile.width - 1 : 0);
  }

  // One line of a tile, in its own place.
  static Tile line(const Tile& tile, int64_t i) {
    Tile line = tile;
    line.in = static_cast<const Value*>(tile.in) + i;
    if (tile.out) line.out = static_cast<Value*>(tile.out) + i;
    line.width = 1;
    return line;
  }
};

}  // namespace
}  // namespace upsweep
