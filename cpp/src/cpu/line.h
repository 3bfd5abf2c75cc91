// Line: the scan of one long line, cut into blocks of segments, which
// become the lanes of a Strip. A segment starts from the carry and the total of
// the elements before it, which reduce finds. Where a result leaves the range
// of the dtype the starts behind it are wrong: that block is done again by the
// loop, and whatever follows is dead.
//
// Where a line is cut depends on its length and dtype alone.
#pragma once

#include "fold.h"

namespace upsweep {
namespace {

template <class M>
struct Line {
  using Value = typename M::Value;
  using Running = typename M::Running;
  using L = Lanes<M>;
  using Carry = typename L::Carry;
  using Total = TotalOf<M>;
  using U = Bits<Value>;
  static constexpr int n = kLanes<Value>;

  // The whole tile, and the totals of what lies before each of its segments
  // and before the elements that are left over.
  struct Plan : Summary<M> {
    Total before[1];
  };

  static constexpr bool kSegments = L::kSegments;

  static size_t plan_size(int64_t length) {
    int64_t segments = kSegments ? (length / (n * kRows) + 1) * n : 0;
    return sizeof(Plan) + sizeof(Total) * static_cast<size_t>(segments);
  }

  template <bool bounded>
  static void reduce(const Tile& tile, void* memory) {
    auto& plan = *new (memory) Plan();
    int64_t done = 0;
    if constexpr (kSegments) {
      Total* before = plan.before;
      each_block(tile, [&](const Tile& block) {
        TotalOf<M> totals[n];
        RangeOf<M> ranges[n];
        fold_block<bounded>(block, totals, ranges);
        Summary<M> so_far = plan;  // which stores to `before` cannot change
        for (int l = 0; l < n; ++l) {
          new (before++) TotalOf<M>(so_far.total);
          append<bounded>(so_far, totals[l], ranges[l]);
        }
        static_cast<Summary<M>&>(plan) = so_far;
        done += block.length * n;
      });
      new (before) Total(plan.total);
      if constexpr (bounded && !M::kExact) mark_kind(tile, plan);
    }
    auto* in = static_cast<const Value*>(tile.in);
    for (; done < tile.length; ++done) take(plan, in[done * tile.in_step]);
  }

  static void scan(const Tile& tile, Carry& carry, const void* memory,
                   bool inclusive) {
    auto* plan = static_cast<const Plan*>(memory);
    const Running start = carry.get(0);
    Running r = start;
    int64_t done = 0;
    Outflow<U> outflow;
    if constexpr (kSegments) {
      const Total* before = plan->before;
      bool planned = is_alive(start);
      each_block(tile, [&](const Tile& block) {
        if (planned) r = at(start, *before, r);
        planned = planned &&
                  scan_planned(block, start, before, inclusive, r, outflow);
        if (!planned) scan_unplanned(block, inclusive, r, outflow);
        before += n;
        done += block.length * n;
      });
      if (planned) r = at(start, *before, r);
    }
    loop(tile, done, tile.length, inclusive, r);
    if constexpr (!M::kExact) {
      if (plan) r = join(start, plan->total, r);
    }
    carry.set(0, r);
  }

  // The carry behind a tile that was scanned from before to after.
  static Running join(const Running& before, const Total& total,
                      const Running& after) {
    return M::is_alive(after) && M::usable(total) ? M::apply(before, total)
                                                  : after;
  }

 private:
  // Calls fn with blocks of segments: of kRows elements each, and in the end of
  // as many as are whole squares to transpose.
  template <class Fn>
  static void each_block(const Tile& tile, const Fn& fn) {
    constexpr int64_t side = kSide<U>;
    for (int64_t done = 0;;) {
      int64_t length = std::min<int64_t>(kRows, (tile.length - done) / n);
      length = length / side * side;
      if (length == 0) return;
      Tile block = tile;
      block.in = static_cast<const Value*>(tile.in) + done * tile.in_step;
      block.out = static_cast<Value*>(tile.out) + done * tile.out_step;
      block.ahead = tile.ahead + static_cast<uintptr_t>(done) * sizeof(Value);
      block.length = length;
      block.width = n;
      block.in_lane = length * tile.in_step;
      block.out_lane = length * tile.out_step;
      fn(block);
      done += length * n;
    }
  }

  template <bool bounded>
  static void fold_block(const Tile& block, TotalOf<M>* totals,
                         RangeOf<M>* ranges) {
    bool along = block.in_step == 1 || block.in_step == -1;
    if (!along || block.length != kRows ||
        !fold_segments<M, bounded>(block, totals, ranges)) {
      fold_lanes<M, bounded>(block, totals, ranges);
    }
  }

  static void mark_kind(const Tile& tile, Summary<M>& plan) {
    if (M::usable(plan.total)) {
      M::mark(plan.range, M::kind(plan.total));
      return;
    }
    // Of what has left the range a total does not tell the kind.
    each_block(tile, [&](const Tile& block) {
      double kinds[n];
      fold_kinds<M>(block, kinds);
      for (double kind : kinds) M::mark(plan.range, kind);
    });
  }

  template <bool bounded>
  static void append(Summary<M>& plan, const TotalOf<M>& total,
                     const RangeOf<M>& range) {
    if constexpr (M::kExact) {
      M::combine(plan.total, total);
    } else {
      if constexpr (bounded) M::extend(plan.range, plan.total, range);
      M::append(plan.total, total);
    }
  }

  static bool is_alive(const Running& r) {
    if constexpr (M::kExact) {
      return true;
    } else {
      return M::is_alive(r);
    }
  }

  // The running result behind some elements, which is `known` from a scan where
  // their total does not tell it.
  static Running at(Running start, const Total& before, const Running& known) {
    if constexpr (M::kExact) {
      M::combine(start, before);
      return start;
    } else {
      return M::usable(before) ? M::apply(start, before) : known;
    }
  }

  // Takes r to the end of the block, unless it returns false.
  static bool scan_planned(const Tile& block, const Running& start,
                           const Total* before, bool inclusive, Running& r,
                           Outflow<U>& outflow) {
    // What is lost behind some elements stays so.
    if constexpr (!M::kExact) {
      if (!M::usable(before[n - 1])) return false;
    }
    Carry carry;
    L::enter(carry, start, before);
    if (!Strip<M>::scan_rows(block, carry, inclusive,
                             block.streaming ? &outflow : nullptr)) {
      return false;
    }
    r = carry.get(n - 1);
    return true;
  }

  static void scan_unplanned(const Tile& block, bool inclusive, Running& r,
                             Outflow<U>& outflow) {
    if constexpr (!M::kExact) {
      if (!M::is_alive(r)) {
        double kinds[n];
        fold_kinds<M>(block, kinds);
        Carry carry;
        for (int l = 0; l < n; ++l) {
          carry.set(l, r);
          r = M::follow(r, kinds[l]);
        }
        Strip<M>::scan_dead(block, carry, inclusive,
                            block.streaming ? &outflow : nullptr);
        return;
      }
    }
    outflow.flush();  // of what may have been sent of this block
    loop(block, 0, block.length * n, inclusive, r);
  }

  static void loop(const Tile& tile, int64_t from, int64_t to, bool inclusive,
                   Running& r) {
    auto* in = static_cast<const Value*>(tile.in);
    auto* out = static_cast<Value*>(tile.out);
    for (int64_t i = from; i < to; ++i) {
      Value x = in[i * tile.in_step];
      Value before = M::value(r);
      Value after = M::advance(r, x);
      out[i * tile.out_step] = inclusive ? after : before;
    }
  }
};

}  // namespace
}  // namespace upsweep
