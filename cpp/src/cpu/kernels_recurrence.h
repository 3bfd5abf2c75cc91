// The kernels of linear recurrences.
#pragma once

#include "recurrence_kernel.h"
#include "recurrence_lanes.h"
#include "transpose.h"

namespace upsweep {
namespace {

template <class T>
struct RecurrenceBlocks {
  using L = RecurrenceLanes<T>;
  using Range = typename L::Range;
  using Doubles = typename L::Doubles;
  using Mask = typename L::Mask;
  using Unit = typename L::Unit;
  static constexpr int n = L::n;
  static constexpr int64_t kRow = n * sizeof(Unit);
  static constexpr int64_t kPackBytes = kRow / L::kPacks;
  static_assert(kRow <= RecurrenceRows::kRowBytes && n <= kMaxLanes);

  static void load(const RecurrenceBlock& block, RecurrenceRows& rows) {
    load_rows(block, block.a, block.a_step, block.a_lane, rows.a_copy, rows.a,
              rows.a_step);
    load_rows(block, block.b, block.b_step, block.b_lane, rows.b_copy, rows.b,
              rows.b_step);
    if (!block.reset) return;
    // A reset is a factor of 0. If the number before it is not finite, the
    // product is not 0, but then the lane has left the range.
    if (rows.a_step == 0 || rows.a != rows.a_copy) {
      for (int64_t s = 0; s < block.rows; ++s) {
        std::memmove(rows.a_copy + s * kRow, rows.a + s * rows.a_step, kRow);
      }
    }
    rows.a = rows.a_copy;
    rows.a_step = kRow;
    clear_where_reset(block, rows.a_copy);
  }

  static void reduce(const RecurrenceBlock& block, const RecurrenceRows& rows,
                     RecurrenceSummary& summary) {
    for (int p = 0; p < L::kPacks; ++p) {
      const char* a = rows.a + p * kPackBytes;
      const char* b = rows.b + p * kPackBytes;
      Doubles factor = L::one(), sum = Doubles::all(0);
      Mask ok = Mask::all(-1), dropped = Mask::all(0);
      for (int64_t s = 0; s < block.rows;) {
        int64_t end = std::min(s + Range::kCheckedRows, block.rows);
        for (; s < end; ++s, a += rows.a_step, b += rows.b_step) {
          auto x = L::load(a);
          sum = L::multiply_add(x, sum, L::load(b));
          factor = L::multiply_add(x, factor, Doubles::all(0));
          ok = ok & L::is_usable(x);
        }
        auto sum_size = L::magnitude(sum), size = L::magnitude(factor);
        auto drop = (size < Doubles::all(Range::kLow)) &
                    (sum_size >= Doubles::all(Range::kNotable));
        factor = select(drop, Doubles::all(0), factor);
        dropped = dropped | (drop & (size != Doubles::all(0)));
        ok = ok & L::in_range(sum_size) & (drop | L::in_range(size));
      }
      auto limit = select(dropped, Doubles::all(Range::kOrdinary),
                          Doubles::all(Range::kHigh));
      factor.store(summary.a.part + p * L::kSize);
      sum.store(summary.b.part + p * L::kSize);
      select(ok, limit, Doubles::all(0))
          .store(summary.limit.part + p * L::kSize);
    }
  }

  static bool advance_line(const RecurrenceSummary& summary, int lanes,
                           double* h, LaneNumbers& starts) {
    for (int i = 0; i < lanes * L::kParts; i += L::kParts) {
      if (!is_within_limit(summary, i, h)) return false;
      std::copy_n(h, L::kParts, starts.part + i);
      L::multiply_add(summary.a.part + i, h, summary.b.part + i);
    }
    return true;
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

  static LaneSet scan(const RecurrenceBlock& block, RecurrenceRows& rows,
                      LaneNumbers& h, bool inclusive) {
    bool clears = block.reset && !inclusive;
    bool direct = block.out_lane == 1 && block.lanes == n && !clears;
    char* out = direct ? static_cast<char*>(block.out) : rows.out;
    int64_t step = direct ? block.out_step * int64_t{sizeof(Unit)} : kRow;
    LaneSet within = inclusive
                         ? scan_rows<true>(block.rows, rows, h, out, step)
                         : scan_rows<false>(block.rows, rows, h, out, step);
    if (clears) clear_where_reset(block, out);
    if (!direct) {
      scatter(reinterpret_cast<const Unit*>(out), static_cast<Unit*>(block.out),
              block.out_step, block.out_lane, block.lanes,
              static_cast<int>(block.rows));
    }
    return within;
  }

 private:
  static void load_rows(const RecurrenceBlock& block, const void* from,
                        int64_t step, int64_t lane, char* copy,
                        const char*& rows, int64_t& rows_step) {
    auto* first = static_cast<const Unit*>(from);
    auto* to = reinterpret_cast<Unit*>(copy);
    if (lane == 1 && block.lanes == n) {
      rows = static_cast<const char*>(from);
      rows_step = step * int64_t{sizeof(Unit)};
      return;
    }
    rows = copy;
    rows_step = step == 0 ? 0 : kRow;
    int64_t count = step == 0 ? 1 : block.rows;
    if (lane == 0) {
      for (int64_t s = 0; s < count; ++s) {
        Unit x;
        std::memcpy(&x, first + s * step, sizeof x);
        std::fill_n(to + s * n, n, x);
      }
    } else {
      gather(first, step, lane, block.lanes, static_cast<int>(count), to);
    }
  }

  // Sets elements of rows to 0 where there is a reset.
  static void clear_where_reset(const RecurrenceBlock& block, char* rows) {
    auto* units = reinterpret_cast<Unit*>(rows);
    // Walks resets as they lie in memory, eight at a time: most are not set.
    bool columns = block.out_lane == 1;
    int64_t direction = columns ? 1 : block.out_step;
    int64_t lines = columns ? block.rows : block.lanes;
    int64_t length = columns ? block.lanes : block.rows;
    for (int64_t i = 0; i < lines; ++i) {
      const uint8_t* line =
          block.reset + i * (columns ? block.out_step : block.out_lane);
      for (int64_t j = 0; j < length; ++j) {
        if (std::abs(direction) == 1 && j + 8 <= length) {
          uint64_t eight;
          std::memcpy(&eight, line + (direction < 0 ? -j - 7 : j), 8);
          if (eight == 0) {
            j += 7;
            continue;
          }
        }
        Unit& at = units[columns ? i * n + j : j * n + i];
        at = static_cast<Unit>(at & (line[j * direction] ? 0 : ~Unit{0}));
      }
    }
  }

  static bool is_within_limit(const RecurrenceSummary& summary, int i,
                              const double* h) {
    double limit = summary.limit.part[i];
    return limit > 0 && L::is_within(L::magnitude(h), limit);
  }

  template <bool inclusive>
  static LaneSet scan_rows(int64_t count, const RecurrenceRows& rows,
                           LaneNumbers& numbers, char* out, int64_t step) {
    int64_t within[L::kPacks * L::kSize];
    for (int p = 0; p < L::kPacks; ++p) {
      const char* a = rows.a + p * kPackBytes;
      const char* b = rows.b + p * kPackBytes;
      char* to = out + p * kPackBytes;
      auto h = Doubles::load(numbers.part + p * L::kSize);
      Mask ok = L::in_range(L::magnitude(h));
      // Columns are far apart: the processor does not foresee the next block.
      int64_t a_ahead = rows.a == rows.a_copy ? 0 : kBlockRows * rows.a_step;
      int64_t b_ahead = rows.b == rows.b_copy ? 0 : kBlockRows * rows.b_step;
      auto row = [&]() UPSWEEP_INLINE {
        __builtin_prefetch(a + a_ahead);
        __builtin_prefetch(b + b_ahead);
        auto x = L::load(a);
        if (!inclusive) L::store(to, h);
        h = L::multiply_add(x, h, L::load(b));
        if (inclusive) L::store(to, h);
        ok = ok & L::is_usable(x);
        a += rows.a_step;
        b += rows.b_step;
        to += step;
      };
      int64_t s = 0;
      for (; s + Range::kCheckedRows <= count; s += Range::kCheckedRows) {
        unrolled<Range::kCheckedRows>([&](int) UPSWEEP_INLINE { row(); });
        ok = ok & L::in_range(L::magnitude(h));
      }
      for (; s < count; ++s) row();
      ok = ok & L::in_range(L::magnitude(h));
      h.store(numbers.part + p * L::kSize);
      ok.store(within + p * L::kSize);
    }
    LaneSet set = 0;
    for (int l = 0; l < n; ++l) {
      if (within[l * L::kParts]) set |= LaneSet{1} << l;
    }
    return set;
  }
};

template <class T>
inline constexpr RecurrenceKernel kRecurrence = {
    RecurrenceBlocks<T>::n,
    RecurrenceBlocks<T>::load,
    RecurrenceBlocks<T>::reduce,
    RecurrenceBlocks<T>::advance_line,
    RecurrenceBlocks<T>::advance_lanes,
    RecurrenceBlocks<T>::scan,
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
