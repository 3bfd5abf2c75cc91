// RecurrenceMemory: brings the coefficients of a block into rows of lanes, and
// rows of results to their place.
#pragma once

#include "recurrence_kernel.h"
#include "streaming_store.h"
#include "transpose.h"

namespace upsweep {
namespace {

// For elements of as many bytes as Unit.
template <class Unit>
struct RecurrenceMemory {
  static constexpr int n = kLanes<Unit>;
  static constexpr int64_t kRow = n * sizeof(Unit);
  static_assert(kRow <= RecurrenceRows::kRowBytes && n <= kMaxLanes);

  static void load(const RecurrenceBlock& block, RecurrenceRows& rows) {
    load_rows(block, block.a, block.a_step, block.a_lane, rows.a_copy, rows.a,
              rows.a_step);
    load_rows(block, block.b, block.b_step, block.b_lane, rows.b_copy, rows.b,
              rows.b_step);
    rows.a_ahead = find_ahead(block, block.a, block.a_step, block.a_lane);
    rows.b_ahead = find_ahead(block, block.b, block.b_step, block.b_lane);
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

  // Rows of one input: where they lie, or copied.
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
      for (int64_t s = 0; s < count; ++s)
        spread(first + s * step, copy + s * kRow);
    } else {
      gather(first, step, lane, block.lanes, static_cast<int>(count), to);
    }
  }

  static RecurrenceAhead find_ahead(const RecurrenceBlock& block,
                                    const void* from, int64_t step,
                                    int64_t lane) {
    auto* first = static_cast<const char*>(from);
    constexpr int64_t size = sizeof(Unit);
    if (std::abs(step) != 1 || block.lanes != n) return {first, 0, 0};
    return {first + n * lane * size, lane * size, step * kRow};
  }

  // Writes the rows of a block to its place, lines along memory one by one.
  static void write(const RecurrenceBlock& block, const Unit* rows,
                    bool streaming) {
    auto* out = static_cast<Unit*>(block.out);
    auto count = static_cast<int>(block.rows);
    int64_t step = block.out_step, lane = block.out_lane;
    if (std::abs(step) != 1 || block.lanes != n) {
      scatter(rows, out, step, lane, block.lanes, count);
      return;
    }
    alignas(64) Unit lines[kBlockRows * n];
    int64_t first = step < 0 ? block.rows - 1 : 0;
    // Stripes make up one line.
    bool joined = lane == block.rows * step;
    int64_t lane_there = joined ? lane : block.rows;
    if (joined && step < 0) first = n * block.rows - 1;
    scatter(rows, lines + first, step, lane_there, n, count);
    int64_t length = joined ? n * block.rows : block.rows;
    for (int64_t l = 0; l < (joined ? 1 : n); ++l) {
      Unit* to = out + l * lane - (step < 0 ? length - 1 : 0);
      const Unit* from = lines + l * block.rows;
      if (streaming) {
        stream_copy(to, from, length);
      } else {
        std::memcpy(to, from, static_cast<size_t>(length) * sizeof(Unit));
      }
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

  // Fills a row with one element.
  static const char* spread(const void* element, char* row) {
    Unit x;
    std::memcpy(&x, element, sizeof x);
    std::fill_n(reinterpret_cast<Unit*>(row), n, x);
    return row;
  }

  // There are as many pieces as rows.
  UPSWEEP_INLINE static void prefetch(const RecurrenceAhead& ahead, int64_t s) {
    constexpr int64_t pieces = kBlockRows / n;
    prefetch(ahead.first + s / pieces * ahead.lane + s % pieces * ahead.piece);
  }
  // Into the second-level cache.
  UPSWEEP_INLINE static void prefetch(const char* at) {
    __builtin_prefetch(at, 0, 2);
  }
};

}  // namespace
}  // namespace upsweep
