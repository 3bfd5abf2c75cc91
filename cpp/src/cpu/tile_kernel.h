// TileKernel: the kernel of any monoid: one or a few long lines by stripes, or
// the lines of a panel group by group.
#pragma once

#include <new>

#include "../monoid/record.h"
#include "reset_scan.h"
#include "single_scan.h"
#include "slab_scan.h"
#include "striped_columns.h"

namespace upsweep {
namespace {

template <class M>
struct TileKernel {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  using Columns = StripedColumns<M>;

  static constexpr int n = kLanes<Value>;

  static int64_t groups(int64_t width) { return (width + n - 1) / n; }
  static size_t carry_size(int64_t width) {
    return sizeof(Carry) * static_cast<size_t>(groups(width));
  }
  static size_t summary_size(int64_t width, int64_t length) {
    if (width == 1) return StripedLine<M>::summary_size(length);
    if (Columns::has(width)) return Columns::summary_size(width, length);
    return sizeof(Summary<M>) * static_cast<size_t>(width);
  }

  static void init_carry(void* carry, int64_t width) {
    Carry group;
    for (int i = 0; i < n; ++i) group.set(i, M::initial());
    std::fill_n(static_cast<Carry*>(carry), groups(width), group);
  }

  static void reduce(const Tile& tile, void* summary, bool bounded) {
    if (tile.width == 1) {
      bounded ? StripedLine<M>::template reduce<true>(tile, summary)
              : StripedLine<M>::template reduce<false>(tile, summary);
      return;
    }
    if (Columns::has(tile)) {
      bounded ? Columns::template reduce<true>(tile, summary)
              : Columns::template reduce<false>(tile, summary);
      return;
    }
    auto* lines = static_cast<Summary<M>*>(summary);
    for (int64_t i = 0; i < tile.width; ++i) new (lines + i) Summary<M>();
    prefetch_rows(tile);
    int64_t done = 0;
    if constexpr (L::kHasStripes) {
      for (; tile.width >= n && done < tile.width; done += n) {
        int64_t first = first_of(done / n, tile.width);
        reduce_group(group(tile, 0, tile.length, first), lines + first);
      }
    }
    auto* in = static_cast<const Value*>(tile.in);
    const Keys<M> keys(tile.key_mask);
    for (int64_t t = 0; t < tile.length; ++t, in += tile.in_step) {
      for (int64_t i = done; i < tile.width; ++i) {
        accumulate(lines[i], keys.of(in[i * tile.in_lane]));
      }
    }
  }

  static constexpr auto reduce_saturated() -> void (*)(const Tile&, void*) {
    if constexpr (HasClasses<M>) {
      return StripedLine<M>::reduce_saturated;
    } else {
      return nullptr;
    }
  }

  static bool try_apply_summary(void* carry, const void* summary,
                                int64_t width) {
    auto* lanes = static_cast<Carry*>(carry);
    auto* lines = static_cast<const Summary<M>*>(summary);
    if constexpr (!M::kAssociative) {
      for (int64_t i = 0; i < width; ++i) {
        Prefix after = get(lanes, i);
        if (!M::try_apply(after, lines[i].aggregate, lines[i].range))
          return false;
      }
    }
    for (int64_t i = 0; i < width; ++i) {
      Prefix after = get(lanes, i);
      if constexpr (M::kAssociative) {
        M::combine(after, lines[i].aggregate);
      } else {
        M::try_apply(after, lines[i].aggregate, lines[i].range);
      }
      set(lanes, i, after);
    }
    return true;
  }

  static void scan(const Tile& tile, void* carry, const void* summary,
                   bool inclusive) {
    auto* lanes = static_cast<Carry*>(carry);
    if (tile.width == 1) {
      StripedLine<M>::scan(tile, *lanes, summary, inclusive);
    } else if (summary && Columns::has(tile)) {
      for (int64_t i = 0; i < tile.width; ++i) {
        set(lanes, i,
            Columns::scan_line(tile, i, get(lanes, i), summary, inclusive));
      }
      Columns::store(tile, summary);
    } else {
      scan_panel(tile, lanes, summary, inclusive);
    }
    if (tile.streaming) order_streams();
  }

  static void scan_slabs(const SlabTile& tile, void* carry, bool inclusive) {
    SlabScan<M>::scan(tile, static_cast<Carry*>(carry), inclusive);
    if (tile.streaming) order_streams();
  }

  static void scan_segments(const Tile& tile, const uint8_t* flags, void* carry,
                            bool inclusive) {
    auto* lanes = static_cast<Carry*>(carry);
    if (tile.width == 1) {
      ResetScan<M>::line(tile, flags, *lanes, inclusive);
      return;
    }
    int64_t step = LaneGroup<M>::rows_at_once(tile.width);
    for (int64_t row = 0; row < tile.length; row += step) {
      int64_t rows = std::min(step, tile.length - row);
      for (int64_t g = 0; g < groups(tile.width); ++g) {
        ResetScan<M>::lines(group(tile, row, rows, g * n),
                            flags + row * tile.out_step + g * n * tile.out_lane,
                            lanes[g], inclusive);
      }
    }
  }

  static bool needs_summary(int64_t width) { return Columns::has(width); }

  static Number prefix(const void* carry, int64_t line, uint64_t key_mask) {
    return to_record(get(static_cast<const Carry*>(carry), line), key_mask);
  }

  static void set_prefix(void* carry, int64_t line, const Number& from,
                         uint64_t key_mask) {
    auto prefix = from_record<Prefix>(from);
    if constexpr (!Keys<M>::kAreElements) prefix = Keys<M>(key_mask).of(prefix);
    set(static_cast<Carry*>(carry), line, prefix);
  }

  static bool is_saturated(const void* carry) {
    if constexpr (M::kAssociative) {
      return false;
    } else {
      return !M::is_live(get(static_cast<const Carry*>(carry), 0));
    }
  }

  static bool describe(const void* summary, int64_t line, CarryRecord& record,
                       uint64_t key_mask) {
    using R = typename RecordMonoid<M>::Type;
    auto& of = static_cast<const Summary<M>*>(summary)[line];
    if constexpr (M::kAssociative) {
      record.total = to_record(of.aggregate, key_mask);
      return true;
    } else if constexpr (std::is_same_v<R, M>) {
      record.total = record_of(of.aggregate);
      RecordRange<R>::store(record, of.range);
      return M::is_usable(of.aggregate);
    } else {
      // Outside of this range, the product of a stripe, which is a quotient of
      // prefixes, may have lost bits.
      if (!M::is_usable(of.aggregate) || !(of.range.low > 0x1p-500) ||
          !(of.range.high < 0x1p500)) {
        return false;
      }
      typename R::Aggregate total{{of.aggregate}, 0};
      R::normalise(total);
      record.total = record_of(total);
      RecordRange<R>::store(
          record, {std::ilogb(of.range.low), std::ilogb(of.range.high),
                   of.range.special_class});
      return true;
    }
  }

 private:
  static Number to_record(const Prefix& r, uint64_t key_mask) {
    if constexpr (Keys<M>::kAreElements) {
      return record_of(r);
    } else {
      return record_of(Keys<M>(key_mask).element(r));
    }
  }

  static void scan_panel(const Tile& tile, Carry* lanes, const void* summary,
                         bool inclusive) {
    auto* lines = static_cast<const Summary<M>*>(summary);
    Carry before[kMaxGroups];
    if (lines && !M::kAssociative) {
      std::copy_n(lanes, groups(tile.width), before);
    }
    if (!L::kHasStripes && tile.width < n) {
      // Lanes without a line would cost as much as the others.
      for (int64_t i = 0; i < tile.width; ++i) {
        Tile line = group(tile, 0, tile.length, i);
        set(lanes, i,
            StripedLine<M>::scan_line(line, get(lanes, i), inclusive));
      }
    } else {
      scan_groups(tile, lanes, inclusive);
    }
    if constexpr (!M::kAssociative) {
      for (int64_t i = 0; lines && i < tile.width; ++i) {
        set(lanes, i,
            StripedLine<M>::carry_after(get(before, i), lines[i].aggregate,
                                        get(lanes, i)));
      }
    }
  }

  static constexpr int64_t kMaxGroups =
      kPanelBytes / static_cast<int64_t>(sizeof(Value)) / n;

  // Prefetches a tile of columns, and where its results go, in the order of
  // memory: groups would read a piece of each row.
  static void prefetch_rows(const Tile& tile) {
    if (tile.in_lane != 1) return;
    auto in = reinterpret_cast<uintptr_t>(tile.in);
    auto out = reinterpret_cast<uintptr_t>(tile.out);
    bool is_written = out && tile.out_lane == 1 && !tile.streaming;
    uintptr_t row = static_cast<uintptr_t>(tile.width) * sizeof(Value);
    for (int64_t s = 0; s < tile.length; ++s) {
      for (uintptr_t at = 0; at < row; at += 64) {
        prefetch(in + at);
        if (is_written) prefetch_results(out + at);
      }
      in += static_cast<uintptr_t>(tile.in_step) * sizeof(Value);
      out += static_cast<uintptr_t>(tile.out_step) * sizeof(Value);
    }
  }

  // The prefix of one line.
  static Prefix get(const Carry* carry, int64_t line) {
    return carry[line / n].get(static_cast<int>(line % n));
  }
  static void set(Carry* carry, int64_t line, const Prefix& r) {
    carry[line / n].set(static_cast<int>(line % n), r);
  }

  static void reduce_group(const Tile& group, Summary<M>* lines) {
    AggregateOf<M> aggregates[n];
    PrefixRangeOf<M> ranges[n];
    reduce_lanes<M, true>(group, aggregates, ranges);
    if constexpr (HasClasses<M>)
      add_special_classes<M>(group, aggregates, ranges);
    for (int l = 0; l < n; ++l) {
      lines[l].aggregate = aggregates[l];
      if constexpr (!M::kAssociative) lines[l].range = ranges[l];
    }
  }

  // Some rows of one group of a tile's lines.
  static Tile group(const Tile& tile, int64_t row, int64_t rows,
                    int64_t first) {
    Tile group = tile;
    group.in = static_cast<const Value*>(tile.in) + row * tile.in_step +
               first * tile.in_lane;
    group.out = static_cast<Value*>(tile.out) + row * tile.out_step +
                first * tile.out_lane;
    group.next_read =
        tile.next_read +
        static_cast<uintptr_t>(row * tile.width + first * rows) * sizeof(Value);
    group.length = rows;
    group.width = std::min<int64_t>(n, tile.width - first);
    return group;
  }

  // The first line of a group. The last group overlaps the one before it rather
  // than leave lanes without a line.
  static int64_t first_of(int64_t group, int64_t width) {
    return width < n ? 0 : std::min(group * n, width - n);
  }

  // Whether each row of a group is one cache line and the rows are adjacent:
  // then results can bypass the cache without a buffer.
  static bool can_stream(const Tile& tile) {
    return n * sizeof(Value) == 64 && tile.width % n == 0 &&
           std::abs(tile.out_step) == tile.width &&
           reinterpret_cast<uintptr_t>(tile.out) % 64 == 0;
  }

  // The carry of each group; a copy for one that overlaps the one before it.
  class GroupCarries {
   public:
    GroupCarries(Carry* carry, int64_t width)
        : carry_(carry),
          width_(width),
          copied_(width > n && width % n != 0 ? width / n : -1) {
      if (copied_ < 0) return;
      for (int i = 0; i < n; ++i) copy_.set(i, get(carry, width - n + i));
    }
    ~GroupCarries() {
      for (int64_t i = width_ / n * n; copied_ >= 0 && i < width_; ++i) {
        set(carry_, i, copy_.get(static_cast<int>(i - (width_ - n))));
      }
    }
    GroupCarries(const GroupCarries&) = delete;

    Carry& of(int64_t group) {
      return group == copied_ ? copy_ : carry_[group];
    }

   private:
    Carry* carry_;
    int64_t width_;
    int64_t copied_;  // a group, or -1
    Carry copy_;
  };

  static void scan_groups(const Tile& tile, Carry* carry, bool inclusive) {
    bool columns = tile.in_lane == 1 && tile.out_lane == 1;
    int64_t step = columns ? LaneGroup<M>::rows_at_once(tile.width) : kRows;
    bool buffered = columns && tile.streaming && !can_stream(tile);
    FastAttempts attempts;
    StreamingStoreBuffer<Bits<Value>> store_buffer;
    GroupCarries carries(carry, tile.width);
    for (int64_t row = 0; row < tile.length; row += step) {
      Tile rows = group(tile, row, std::min(step, tile.length - row), 0);
      rows.width = tile.width;
      if (buffered) {
        scan_streaming(rows, carries, inclusive, attempts);
      } else {
        scan_rows(rows, carries, inclusive, attempts,
                  tile.streaming ? &store_buffer : nullptr);
      }
    }
  }

  static void scan_rows(const Tile& rows, GroupCarries& carries, bool inclusive,
                        FastAttempts& attempts,
                        StreamingStoreBuffer<Bits<Value>>* store_buffer) {
    for (int64_t g = 0; g < groups(rows.width); ++g) {
      Tile lines = group(rows, 0, rows.length, first_of(g, rows.width));
      // The group before has prefetched the cache lines that they share.
      if (g * n * int64_t{sizeof(Value)} % 64 != 0) lines.in_cache = true;
      LaneGroup<M>::scan(lines, carries.of(g), inclusive, attempts,
                         store_buffer);
    }
  }

  // Scans rows of columns into a buffer, and copies whole rows past the cache.
  static void scan_streaming(const Tile& rows, GroupCarries& carries,
                             bool inclusive, FastAttempts& attempts) {
    alignas(64) Value buffer[kPanelRows * kMaxGroups * n];
    Tile buffered = rows;
    buffered.out = buffer;
    buffered.streaming = false;
    buffered.out_step = rows.width;
    scan_rows(buffered, carries, inclusive, attempts, nullptr);
    auto* to = static_cast<Bits<Value>*>(rows.out);
    for (int64_t i = 0; i < rows.length; ++i) {
      stream_copy(to + i * rows.out_step,
                  reinterpret_cast<Bits<Value>*>(buffer) + i * rows.width,
                  rows.width);
    }
  }
};

template <class M, uint64_t key_mask = 0>
inline constexpr Kernel kKernel = {TileKernel<M>::carry_size,
                                   TileKernel<M>::summary_size,
                                   TileKernel<M>::init_carry,
                                   TileKernel<M>::reduce,
                                   TileKernel<M>::reduce_saturated(),
                                   TileKernel<M>::try_apply_summary,
                                   TileKernel<M>::scan,
                                   TileKernel<M>::scan_slabs,
                                   SingleScan<M>::scan,
                                   TileKernel<M>::scan_segments,
                                   TileKernel<M>::prefix,
                                   TileKernel<M>::set_prefix,
                                   TileKernel<M>::describe,
                                   TileKernel<M>::is_saturated,
                                   StripedLine<M>::kHasStripes,
                                   TileKernel<M>::needs_summary,
                                   key_mask};

}  // namespace
}  // namespace upsweep
