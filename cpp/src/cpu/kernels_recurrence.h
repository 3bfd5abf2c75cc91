// The kernels of linear recurrences.
#pragma once

#include "recurrence_lanes.h"
#include "recurrence_memory.h"

namespace upsweep {
namespace {

template <class T>
struct RecurrenceBlocks {
  using L = RecurrenceLanes<T>;
  using Memory = RecurrenceMemory<typename L::Unit>;
  using Range = typename L::Range;
  using Doubles = typename L::Doubles;
  using Mask = typename L::Mask;
  using Unit = typename L::Unit;
  static constexpr int n = L::n;
  static constexpr int64_t kRow = Memory::kRow;
  static constexpr int64_t kPackBytes = kRow / L::kPacks;
  // Packs that are walked side by side: as many as registers hold, so that one
  // is computed while another waits for its last row.
  static constexpr int kAtOnce =
      std::min(L::kPacks, std::max(1, 4 / Doubles::kParts));
  static_assert(L::kPacks % kAtOnce == 0);

  static void reduce(const RecurrenceBlock& block, RecurrenceRows& rows,
                     RecurrenceSummary& summary) {
    for (int p = 0; p < L::kPacks; p += kAtOnce) {
      if (!reduce_ordinary(block.rows, rows, p, summary)) {
        reduce_any(block.rows, rows, p, summary);
      }
    }
    // Done: not again when the block is scanned.
    rows.a_ahead = {rows.a, 0, 0};
    rows.b_ahead = {rows.b, 0, 0};
  }

  static bool advance_line(const RecurrenceSummary& summary, int lanes,
                           double* h, LaneNumbers& starts) {
    // Each lane waits for the number of the one before, which is in a register.
    double number[L::kParts];
    std::copy_n(h, L::kParts, number);
    bool within = true;
    for (int i = 0; i < lanes * L::kParts; i += L::kParts) {
      within &= is_within_limit(summary, i, number);
      std::copy_n(number, L::kParts, starts.part + i);
      L::multiply_add(summary.a.part + i, number, summary.b.part + i);
    }
    std::copy_n(number, L::kParts, h);
    return within;
  }

  static LaneSet advance_lanes(const RecurrenceSummary& summary,
                               LaneNumbers& h) {
    LaneSet within = 0;
    for (int l = 0; l < n; ++l) {
      int i = l * L::kParts;
      if (!is_within_limit(summary, i, h.part + i)) continue;
      within |= LaneSet{1} << l;
      L::multiply_add(summary.a.part + i, h.part + i, summary.b.part + i);
    }
    return within;
  }

  static LaneSet scan(const RecurrenceBlock& block, const RecurrenceRows& rows,
                      LaneNumbers& h, bool inclusive, bool streaming) {
    alignas(64) char buffer[kBlockRows * kRow];
    LaneSet within = inclusive
                         ? scan_rows<true>(block.rows, rows, h.part, buffer)
                         : scan_rows<false>(block.rows, rows, h.part, buffer);
    if (block.reset && !inclusive) Memory::clear_where_reset(block, buffer);
    Memory::write(block, reinterpret_cast<const Unit*>(buffer), streaming);
    return within;
  }

  static bool scan_columns(const RecurrenceBlock& block, const LaneNumbers* h,
                           LaneNumbers* after, bool inclusive) {
    return inclusive ? scan_columns<true>(block, h, after)
                     : scan_columns<false>(block, h, after);
  }

 private:
  static constexpr LaneSet kAllLanes = (LaneSet{1} << n) - 1;

  static bool is_within_limit(const RecurrenceSummary& summary, int i,
                              const double* h) {
    double limit = summary.limit.part[i];
    return limit > 0 && L::is_within(L::magnitude(h), limit);
  }

  template <bool inclusive>
  static bool scan_columns(const RecurrenceBlock& block, const LaneNumbers* h,
                           LaneNumbers* after) {
    switch (block.rows) {
      case 4:
        return scan_groups<inclusive, 4>(block, h, after);
      case 2:
        return scan_groups<inclusive, 2>(block, h, after);
      default:
        return scan_groups<inclusive, 1>(block, h, after);
    }
  }

  // A few rows of many groups, in the order of memory. The processor foresees
  // what follows in a row, but not the rows that follow. A row of one element
  // serves all groups.
  static constexpr int64_t kRowsAhead = 4;
  template <bool inclusive, int rows>
  static bool scan_groups(const RecurrenceBlock& block, const LaneNumbers* h,
                          LaneNumbers* after) {
    constexpr int64_t size = sizeof(Unit);
    alignas(64) char a_copy[kRow], b_copy[kRow];
    auto* a = static_cast<const char*>(block.a);
    auto* b = static_cast<const char*>(block.b);
    if (block.a_lane == 0) a = Memory::spread(a, a_copy);
    if (block.b_lane == 0) b = Memory::spread(b, b_copy);
    auto* out = static_cast<char*>(block.out);
    const int64_t a_step = block.a_step * size, b_step = block.b_step * size;
    const int64_t a_next = block.a_lane * kRow, b_next = block.b_lane * kRow;
    const int64_t step = block.out_step * size, groups = block.lanes / n;
    Mask ok = Mask::all(-1), bad = Mask::all(0);
    for (int64_t g = 0; g < groups; ++g) {
      unrolled<L::kPacks>([&](int p) UPSWEEP_INLINE {
        const int64_t at = p * kPackBytes;
        auto x = Doubles::load(h[g].part + p * L::kSize);
        unrolled<rows>([&](int i) UPSWEEP_INLINE {
          if (p == 0) {
            Memory::prefetch(a + (i + kRowsAhead) * a_step);
            Memory::prefetch(b + (i + kRowsAhead) * b_step);
          }
          auto element = L::load(a + i * a_step + at);
          if (!inclusive) L::store(out + i * step + at, x);
          x = L::multiply_add(element, x, L::load(b + i * b_step + at));
          if (inclusive) L::store(out + i * step + at, x);
          if constexpr (L::kHasLowElements) {
            bad = bad | L::is_low(abs(element), Range::kLowFactor) |
                  L::is_low(abs(x), Range::kLow);
          }
        });
        auto m = L::magnitude(x);
        if (!L::kHasLowElements) bad = bad | L::is_low(m, Range::kLow);
        ok = ok & (Doubles::all(Range::kHigh) >= m);
        x.store(after[g].part + p * L::kSize);
      });
      a += a_next;
      b += b_next;
      out += kRow;
    }
    return !any(bad | (ok ^ Mask::all(-1)));
  }

  // Reduces packs `first` and so on. Returns false where a number left the
  // range. So that one comparison tells, it also does where one is 0.
  static bool reduce_ordinary(int64_t count, const RecurrenceRows& rows,
                              int first, RecurrenceSummary& summary) {
    const char* a = rows.a + first * kPackBytes;
    const char* b = rows.b + first * kPackBytes;
    const int64_t a_step = rows.a_step, b_step = rows.b_step;
    const RecurrenceAhead a_ahead = rows.a_ahead, b_ahead = rows.b_ahead;
    Doubles factor[kAtOnce], sum[kAtOnce];
    for (int i = 0; i < kAtOnce; ++i) {
      factor[i] = L::one();
      sum[i] = Doubles::all(0);
    }
    auto lowest = Doubles::all(Range::kHigh), lowest_element = lowest;
    auto row = [&](int64_t s) UPSWEEP_INLINE {
      Memory::prefetch(a_ahead, s);
      Memory::prefetch(b_ahead, s);
      unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
        auto x = L::load(a + i * kPackBytes);
        sum[i] = L::multiply_add(x, sum[i], L::load(b + i * kPackBytes));
        factor[i] = L::multiply_add(x, factor[i], Doubles::all(0));
        if constexpr (L::kHasLowElements) {
          lowest_element = min(abs(x), lowest_element);
        }
      });
      a += a_step;
      b += b_step;
    };
    auto check = [&]() UPSWEEP_INLINE {
      unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
        lowest = min(L::magnitude(factor[i]), lowest);
        lowest = min(L::magnitude(sum[i]), lowest);
      });
    };
    int64_t s = 0;
    for (; s + Range::kCheckedRows <= count; s += Range::kCheckedRows) {
      unrolled<Range::kCheckedRows>([&](int i) UPSWEEP_INLINE { row(s + i); });
      check();
    }
    for (; s < count; ++s) row(s);
    check();
    Mask ok = lowest >= Doubles::all(Range::kLow);
    if constexpr (L::kHasLowElements) {
      ok = ok & (lowest_element >= Doubles::all(Range::kLowFactor));
    }
    const auto high = Doubles::all(Range::kHigh);
    for (int i = 0; i < kAtOnce; ++i) {
      ok = ok & (high >= L::magnitude(factor[i])) &
           (high >= L::magnitude(sum[i]));
      int at = (first + i) * L::kSize;
      factor[i].store(summary.a.part + at);
      sum[i].store(summary.b.part + at);
      high.store(summary.limit.part + at);
    }
    return !any(ok ^ Mask::all(-1));
  }

  // The same for any elements.
  static void reduce_any(int64_t count, const RecurrenceRows& rows, int first,
                         RecurrenceSummary& summary) {
    for (int p = first; p < first + kAtOnce; ++p) {
      const char* a = rows.a + p * kPackBytes;
      const char* b = rows.b + p * kPackBytes;
      Doubles factor = L::one(), sum = Doubles::all(0);
      Mask bad = Mask::all(0), dropped = Mask::all(0);
      for (int64_t s = 0; s < count;) {
        int64_t end = std::min(s + Range::kCheckedRows, count);
        for (; s < end; ++s, a += rows.a_step, b += rows.b_step) {
          auto x = L::load(a);
          sum = L::multiply_add(x, sum, L::load(b));
          factor = L::multiply_add(x, factor, Doubles::all(0));
          if constexpr (L::kHasLowElements) {
            bad = bad | L::is_low(abs(x), Range::kLowFactor);
          }
        }
        auto sum_size = L::magnitude(sum);
        auto low = L::is_low(L::magnitude(factor), Range::kLow);
        auto drop = low & (sum_size >= Doubles::all(Range::kNotable));
        factor = select(drop, Doubles::all(0), factor);
        dropped = dropped | drop;
        bad = bad | L::is_low(sum_size, Range::kLow) | (low ^ drop);
      }
      Mask ok = L::in_range(L::magnitude(sum)) &
                L::in_range(L::magnitude(factor)) & (bad ^ Mask::all(-1));
      auto limit = select(dropped, Doubles::all(Range::kOrdinary),
                          Doubles::all(Range::kHigh));
      factor.store(summary.a.part + p * L::kSize);
      sum.store(summary.b.part + p * L::kSize);
      select(ok, limit, Doubles::all(0))
          .store(summary.limit.part + p * L::kSize);
    }
  }

  // Computes rows of results and advances the numbers of the lanes that stay in
  // the range, which are returned.
  template <bool inclusive>
  static LaneSet scan_rows(int64_t count, const RecurrenceRows& rows,
                           double* numbers, char* out) {
    const int64_t a_step = rows.a_step, b_step = rows.b_step;
    const RecurrenceAhead a_ahead = rows.a_ahead, b_ahead = rows.b_ahead;
    LaneSet within = kAllLanes;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      const char* a = rows.a + first * kPackBytes;
      const char* b = rows.b + first * kPackBytes;
      char* to = out + first * kPackBytes;
      double* number = numbers + first * L::kSize;
      Doubles h[kAtOnce];
      Mask bad[kAtOnce];
      for (int i = 0; i < kAtOnce; ++i) {
        h[i] = Doubles::load(number + i * L::kSize);
        bad[i] = Mask::all(0);
      }
      auto row = [&](int64_t s) UPSWEEP_INLINE {
        Memory::prefetch(a_ahead, s);
        Memory::prefetch(b_ahead, s);
        unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
          int at = static_cast<int>(i * kPackBytes);
          auto x = L::load(a + at);
          if (!inclusive) L::store(to + at, h[i]);
          h[i] = L::multiply_add(x, h[i], L::load(b + at));
          if (inclusive) L::store(to + at, h[i]);
          if constexpr (L::kHasLowElements) {
            bad[i] = bad[i] | L::is_low(abs(x), Range::kLowFactor);
          }
        });
        a += a_step;
        b += b_step;
        to += kRow;
      };
      int64_t s = 0;
      for (; s + Range::kCheckedRows <= count; s += Range::kCheckedRows) {
        unrolled<Range::kCheckedRows>([&](int i)
                                          UPSWEEP_INLINE { row(s + i); });
        unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
          bad[i] = bad[i] | L::is_low(L::magnitude(h[i]), Range::kLow);
        });
      }
      for (; s < count; ++s) row(s);
      // What has overflowed stays infinite or NaN.
      Mask any_bad = Mask::all(0);
      for (int i = 0; i < kAtOnce; ++i) {
        bad[i] = bad[i] | (L::in_range(L::magnitude(h[i])) ^ Mask::all(-1));
        any_bad = any_bad | bad[i];
      }
      if (!any(any_bad)) {
        for (int i = 0; i < kAtOnce; ++i) h[i].store(number + i * L::kSize);
      } else {
        within &= ~keep_bad(bad, h, number, first);
      }
    }
    return within;
  }

  // Stores the numbers of lanes that are not bad, and returns those that are.
  static LaneSet keep_bad(const Mask* bad, const Doubles* h, double* number,
                          int first) {
    LaneSet set = 0;
    for (int i = 0; i < kAtOnce; ++i) {
      int64_t is_bad[L::kSize];
      double after[L::kSize];
      bad[i].store(is_bad);
      h[i].store(after);
      for (int k = 0; k < L::kSize; k += L::kParts) {
        if (is_bad[k] || is_bad[k + L::kParts - 1]) {
          set |= LaneSet{1} << ((first + i) * L::kSize + k) / L::kParts;
        } else {
          std::copy_n(after + k, L::kParts, number + i * L::kSize + k);
        }
      }
    }
    return set;
  }
};

template <class T>
inline constexpr RecurrenceKernel kRecurrence = {
    RecurrenceBlocks<T>::n,
    RecurrenceBlocks<T>::Range::kLow,
    RecurrenceBlocks<T>::Range::kHigh,
    RecurrenceBlocks<T>::Memory::load,
    RecurrenceBlocks<T>::reduce,
    RecurrenceBlocks<T>::advance_line,
    RecurrenceBlocks<T>::advance_lanes,
    RecurrenceBlocks<T>::scan,
    RecurrenceBlocks<T>::scan_columns,
    order_streams,
};

const RecurrenceKernel& find_recurrence_kernel(Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::float16:
      return kRecurrence<float16_t>;
    case Dtype::Val::bfloat16:
      return kRecurrence<bfloat16_t>;
    case Dtype::Val::float64:
      return kRecurrence<double>;
    case Dtype::Val::complex64:
      return kRecurrence<complex64_t>;
    default:
      return kRecurrence<float>;
  }
}

}  // namespace
}  // namespace upsweep
