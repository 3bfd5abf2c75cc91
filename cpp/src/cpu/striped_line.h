// StripedLine: the scan of one long line. The line is cut into blocks of
// stripes, and the stripes of a block are the lanes of a LaneGroup. Each
// stripe starts from the carry and the aggregate of the elements before it,
// which reduce computes. If a result leaves the dtype's range, the stripes
// behind it started wrong, and their elements follow a saturated one.
//
// The cuts depend on the line's length and dtype only.
#pragma once

#include "reduce.h"
#include "saturated_line.h"

namespace upsweep {
namespace {

// Stripes of a line that lie one after another where the line does.
template <class Value>
struct StripesInPlace {
  // Whether the stripes of a block are one run of elements.
  static constexpr bool kAreRuns = true;

  // The block from element `done` on, of stripes of `length` elements.
  Tile block(const Tile& tile, int64_t done, int64_t length) const {
    Tile block = tile;
    block.in = static_cast<const Value*>(tile.in) + done * tile.in_step;
    if (tile.out) {  // else there are no results to write
      block.out = static_cast<Value*>(tile.out) + done * tile.out_step;
    }
    block.next_read =
        tile.next_read + static_cast<uintptr_t>(done) * sizeof(Value);
    block.length = length;
    block.width = kLanes<Value>;
    block.in_lane = length * tile.in_step;
    block.out_lane = length * tile.out_step;
    return block;
  }
};

template <class M, class Stripes = StripesInPlace<typename M::Value>>
struct StripedLine {
  using Value = typename M::Value;
  using Prefix = typename M::Prefix;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  using Aggregate = AggregateOf<M>;
  using U = Bits<Value>;
  static constexpr int n = kLanes<Value>;

  // The summary of the tile, and the aggregates of the elements before each
  // stripe and before the remainder.
  struct LineSummary : Summary<M> {
    Aggregate before[1];  // one for each stripe, one for the remainder
  };

  static constexpr bool kHasStripes = L::kHasStripes;

  static size_t summary_size(int64_t length) {
    return sizeof(LineSummary) +
           sizeof(Aggregate) * static_cast<size_t>(stripes(length));
  }
  // The most stripes that a line of some length has.
  static int64_t stripes(int64_t length) {
    return kHasStripes ? (length / (n * kRows) + 1) * n : 0;
  }

  template <bool bounded>
  static void reduce(const Tile& tile, void* memory) {
    auto& summary = *new (memory) LineSummary();
    reduce<bounded>(tile, {}, summary, summary.before);
  }
  // The same for stripes in any place, with the aggregates before them.
  template <bool bounded>
  static void reduce(const Tile& tile, const Stripes& stripes,
                     Summary<M>& summary, Aggregate* before) {
    int64_t done = 0;
    if constexpr (kHasStripes) {
      each_block(tile, stripes, [&](const Tile& block) {
        append_block<bounded>(summary, block, before);
        before += n;
        done += block.length * n;
      });
      new (before) Aggregate(summary.aggregate);
      if constexpr (bounded && HasClasses<M>)
        add_special_class(tile, stripes, summary);
    }
    append_elements(summary, tile, done);
  }

  // Of the elements behind a saturated prefix only the special class counts.
  static void reduce_saturated(const Tile& tile, void* memory) {
    auto& summary = *new (memory) LineSummary();
    SaturatedLine<M>::add_special_class(tile, summary.range);
  }

  // Without a summary of the tile, each block is reduced just before it is
  // scanned, as long as the line is live.
  static void scan(const Tile& tile, Carry& carry, const void* memory,
                   bool inclusive) {
    auto* summary = static_cast<const LineSummary*>(memory);
    carry.set(0, scan(tile, {}, carry.get(0), summary,
                      summary ? summary->before : nullptr, inclusive));
  }
  // The same without stripes. Returns the prefix after the tile.
  static Prefix scan_line(const Tile& tile, Prefix r, bool inclusive) {
    loop(tile, 0, tile.length, inclusive, r);
    return r;
  }
  // The same for stripes in any place.
  static Prefix scan(const Tile& tile, const Stripes& stripes,
                     const Prefix& start, const Summary<M>* summary,
                     const Aggregate* before, bool inclusive) {
    Summary<M> own;
    Prefix r = start;
    int64_t done = 0;
    FastAttempts attempts;
    StreamingStoreBuffer<U> store_buffer;
    if constexpr (kHasStripes) {
      each_block(tile, stripes, [&](const Tile& block) {
        if (is_live(r)) {
          Aggregate own_before[n];
          if (!summary) append_block<false>(own, block, own_before);
          auto* of_stripes = summary ? before : own_before;
          r = prefix_after(start, of_stripes[0], r);
          scan_block(block, start, of_stripes, inclusive, r, attempts,
                     store_buffer);
        } else {
          scan_stripes(block, 0, inclusive, r, store_buffer);
        }
        if (summary) before += n;
        done += block.length * n;
      });
      if (is_live(r)) {
        r = prefix_after(start, summary ? *before : own.aggregate, r);
      }
      if constexpr (!M::kAssociative) {
        if (!summary && is_live(r)) append_elements(own, tile, done);
      }
    }
    scan_on(tile, done, tile.length, inclusive, r, store_buffer);
    if constexpr (!M::kAssociative) {
      if (summary || kHasStripes) {
        r = carry_after(start, summary ? summary->aggregate : own.aggregate, r);
      }
    }
    return r;
  }

  // Calls fn for the blocks of a line: how many elements come before, and the
  // length of the stripes.
  template <class Fn>
  static void each_length(int64_t line, const Fn& fn) {
    constexpr int64_t side = kSide<U>;
    for (int64_t done = 0;;) {
      int64_t length = std::min<int64_t>(kRows, (line - done) / n);
      length = length / side * side;
      if (length == 0) return;
      fn(done, length);
      done += length * n;
    }
  }

  // The carry after a tile whose scan went from `before` to `after`.
  static Prefix carry_after(const Prefix& before, const Aggregate& aggregate,
                            const Prefix& after) {
    return M::is_live(after) && M::is_usable(aggregate)
               ? M::apply(before, aggregate)
               : after;
  }

 private:
  // Calls fn for each block of n stripes of kRows elements. The last block's
  // stripes are shorter, but multiples of kSide, to be transposed in squares.
  template <class Fn>
  static void each_block(const Tile& tile, const Stripes& stripes,
                         const Fn& fn) {
    each_length(tile.length, [&](int64_t done, int64_t length) {
      fn(stripes.block(tile, done, length));
    });
  }

  // Appends a block to a summary and writes the aggregates before its stripes.
  template <bool bounded>
  static void append_block(Summary<M>& summary, const Tile& block,
                           Aggregate* before) {
    bool is_contiguous = block.in_step == 1 || block.in_step == -1;
    AggregateOf<M> aggregates[n];
    PrefixRangeOf<M> ranges[n];
    StripeSums<M> sums;
    bool together = is_contiguous && block.length == kRows &&
                    reduce_stripes<M, bounded>(block, sums, ranges[0]);
    bool appended = false;
    if (together) {
      if constexpr (requires { L::append(summary.aggregate, sums, before); }) {
        appended = L::append(summary.aggregate, sums, before);
      }
      if (!appended) store_sums<M>(block, sums, aggregates);
    } else {
      reduce_lanes<M, bounded>(block, aggregates, ranges);
    }
    if (!appended) append_aggregates(summary.aggregate, aggregates, before);
    if constexpr (bounded && !M::kAssociative) {
      append_ranges(summary.range, before, ranges, together);
    }
  }

  static void append_aggregates(AggregateOf<M>& aggregate,
                                const AggregateOf<M>* of_stripes,
                                Aggregate* before) {
    auto so_far = aggregate;  // local: stores do not change it
    for (int l = 0; l < n; ++l) {
      new (before + l) Aggregate(so_far);
      M::combine(so_far, of_stripes[l]);
    }
    aggregate = so_far;
  }

  // Appends the ranges of stripes, which may share the first.
  static void append_ranges(PrefixRangeOf<M>& range, const Aggregate* before,
                            const PrefixRangeOf<M>* ranges, bool are_shared) {
    if constexpr (requires { L::append_range(range, before, ranges[0]); }) {
      if (are_shared) return L::append_range(range, before, ranges[0]);
    }
    for (int l = 0; l < n; ++l) {
      M::append_range(range, before[l], ranges[are_shared ? 0 : l]);
    }
  }

  // Appends the elements of a tile from one on.
  static void append_elements(Summary<M>& summary, const Tile& tile,
                              int64_t done) {
    auto* in = static_cast<const Value*>(tile.in);
    if constexpr (requires { typename L::Line; }) {
      L::Line::append(in + done * tile.in_step, tile.in_step,
                      tile.length - done, summary.aggregate);
      return;
    }
    const Keys<M> keys(tile.key_mask);
    for (; done < tile.length; ++done) {
      accumulate(summary, keys.of(in[done * tile.in_step]));
    }
  }

  static void add_special_class(const Tile& tile, const Stripes& stripes,
                                Summary<M>& summary) {
    if (M::is_usable(summary.aggregate)) {
      M::add_class(summary.range, M::special_class(summary.aggregate));
      return;
    }
    // An aggregate that left the range does not determine the special class.
    each_block(tile, stripes, [&](const Tile& block) {
      double classes[n];
      reduce_classes<M>(block, classes);
      for (double special_class : classes)
        M::add_class(summary.range, special_class);
    });
  }

  static bool is_live(const Prefix& r) {
    if constexpr (M::kAssociative) {
      return true;
    } else {
      return M::is_live(r);
    }
  }

  // The prefix after some elements: from their aggregate, or `scanned` if the
  // aggregate is not usable.
  static Prefix prefix_after(Prefix start, const Aggregate& before,
                             const Prefix& scanned) {
    if constexpr (M::kAssociative) {
      M::combine(start, before);
      return start;
    } else {
      return M::is_usable(before) ? M::apply(start, before) : scanned;
    }
  }

  // Scans a block that starts live, at r. Advances r.
  static void scan_block(const Tile& block, const Prefix& start,
                         const Aggregate* before, bool inclusive, Prefix& r,
                         FastAttempts& attempts,
                         StreamingStoreBuffer<U>& store_buffer) {
    Carry carry;
    L::start_stripes(carry, start, before);
    // An aggregate can leave the range where the results do not.
    if constexpr (!M::kAssociative) {
      if (!M::is_usable(before[0])) carry.set(0, r);
    }
    bool good = LaneGroup<M>::scan(block, carry, inclusive, attempts,
                                   block.streaming ? &store_buffer : nullptr);
    int right = 1;  // stripes that started right
    if constexpr (M::kAssociative) {
      right = n;
    } else {
      // Aggregates grow from the start of the tile: once one is not usable, no
      // later one is, so the last one tells. Stripe 0 is right in any case.
      if (good && M::is_usable(before[n - 1])) {
        right = n;
      } else {
        while (right < n && M::is_live(carry.get(right - 1)) &&
               M::is_usable(before[right])) {
          ++right;
        }
      }
    }
    r = carry.get(right - 1);
    scan_stripes(block, right, inclusive, r, store_buffer);
  }

  // Scans the stripes of a block from one on, one after the other.
  static void scan_stripes(const Tile& block, int first, bool inclusive,
                           Prefix& r, StreamingStoreBuffer<U>& store_buffer) {
    if constexpr (Stripes::kAreRuns) {
      scan_on(block, first * block.length, n * block.length, inclusive, r,
              store_buffer);
    } else {
      if constexpr (HasClasses<M>) {
        if (first == 0 && SaturatedLine<M>::scan_rows(block, inclusive, r)) {
          return;
        }
      }
      for (int l = first; l < n; ++l) {
        Tile stripe = block;
        stripe.in = static_cast<const Value*>(block.in) + l * block.in_lane;
        stripe.out = static_cast<Value*>(block.out) + l * block.out_lane;
        scan_on(stripe, 0, block.length, inclusive, r, store_buffer);
      }
    }
  }

  // Scans elements one after the other.
  static void scan_on(const Tile& tile, int64_t from, int64_t to,
                      bool inclusive, Prefix& r,
                      StreamingStoreBuffer<U>& store_buffer) {
    if (from == to) return;
    if constexpr (kHasSaturatedLine<M>) {
      if (!M::is_live(r)) {
        SaturatedLine<M>::scan(tile, from, to, inclusive, r, store_buffer);
        return;
      }
    }
    store_buffer.flush();  // results of this block may be in it
    loop(tile, from, to, inclusive, r);
  }

  static void loop(const Tile& tile, int64_t from, int64_t to, bool inclusive,
                   Prefix& r) {
    auto* in = static_cast<const Value*>(tile.in);
    auto* out = static_cast<Value*>(tile.out);
    if constexpr (requires { typename L::Line; }) {
      L::Line::scan(in + from * tile.in_step, tile.in_step,
                    out + from * tile.out_step, tile.out_step, to - from,
                    inclusive, r);
      return;
    }
    const Keys<M> keys(tile.key_mask);
    Prefix local = r;  // in registers
    for (int64_t i = from; i < to; ++i) {
      Value x = keys.of(in[i * tile.in_step]);
      Value before = M::value(local);
      Value after = M::advance(local, x);
      out[i * tile.out_step] = keys.element(inclusive ? after : before);
    }
    r = local;
  }
};

}  // namespace
}  // namespace upsweep
