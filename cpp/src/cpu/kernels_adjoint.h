// The kernels of the gradients of recurrences.
#pragma once

#include "adjoint_kernel.h"
#include "gradient_range.h"
#include "recurrence_lanes.h"
#include "recurrence_memory.h"

namespace upsweep {
namespace {

template <class T>
struct AdjointBlocks {
  using L = RecurrenceLanes<T>;
  using Unit = typename L::Unit;
  using Memory = RecurrenceMemory<Unit>;
  using Range = GradientRange<T>;
  using Doubles = typename L::Doubles;
  using Mask = typename L::Mask;
  static constexpr int64_t kRow = Memory::kRow;
  static constexpr int64_t kPackBytes = kRow / L::kPacks;
  // As in RecurrenceBlocks.
  static constexpr int kAtOnce =
      std::min(L::kPacks, std::max(1, 4 / Doubles::kParts));
  static_assert(L::kPacks % kAtOnce == 0);

  static void load(const AdjointBlock& block, AdjointRows& rows) {
    Memory::load(block, rows);
    Memory::load_rows(block, block.c, block.out_step, block.out_lane,
                      rows.c_copy, rows.c, rows.c_step);
    rows.c_ahead =
        Memory::find_ahead(block, block.c, block.out_step, block.out_lane);
    prefetch_columns(block.c, block.out_step, block.out_lane, block.rows);
    prefetch_inputs(block);
    prefetch_columns(block.out, block.out_step, block.out_lane, block.rows);
    prefetch_columns(block.of_b, block.out_step, block.out_lane, block.rows);
  }

  static LaneSet advance(const AdjointBlock& block, AdjointRows& rows,
                         LaneNumbers& numbers) {
    Memory::load(block, rows);
    prefetch_inputs(block);
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      Walk walk(rows, first);
      Doubles h[kAtOnce];
      for (int i = 0; i < kAtOnce; ++i) {
        h[i] = Doubles::load(numbers.part + walk.lane(i));
      }
      walk.along(block.rows, h,
                 [&](int64_t s, int i, const Doubles&, const Doubles&)
                     UPSWEEP_INLINE {
                       if (i != 0) return;
                       Memory::prefetch(rows.a_ahead, s);
                       Memory::prefetch(rows.b_ahead, s);
                     });
      for (int i = 0; i < kAtOnce; ++i) {
        h[i].store(numbers.part + walk.lane(i));
      }
      within |= walk.within({h});
    }
    return within;
  }

  static LaneSet reduce(const AdjointBlock& block, const AdjointRows& rows,
                        bool inclusive, AdjointSummary& summary) {
    return inclusive ? reduce<true>(block.rows, rows, summary)
                     : reduce<false>(block.rows, rows, summary);
  }

  static LaneSet scan(const AdjointBlock& block, const AdjointRows& rows,
                      AdjointStarts& starts, bool inclusive, bool streaming) {
    alignas(64) char of_a[kBlockRows * kRow], of_b[kBlockRows * kRow];
    LaneSet within = inclusive
                         ? scan<true>(block.rows, rows, starts, of_a, of_b)
                         : scan<false>(block.rows, rows, starts, of_a, of_b);
    Memory::write(block, reinterpret_cast<const Unit*>(of_a), streaming);
    RecurrenceBlock second = block;
    second.out = block.of_b;
    Memory::write(second, reinterpret_cast<const Unit*>(of_b), streaming);
    return within;
  }

 private:
  // Rows of columns are more places in memory than the processor foresees.
  static constexpr int64_t kGroupsAhead = 4;
  static void prefetch_columns(const void* first, int64_t step, int64_t lane,
                               int64_t rows) {
    if (lane != 1) return;
    auto* at = static_cast<const char*>(first) + kGroupsAhead * kRow;
    for (int64_t s = 0; s < rows; ++s) {
      Memory::prefetch(at + s * step * int64_t{sizeof(Unit)});
    }
  }
  static void prefetch_inputs(const AdjointBlock& block) {
    prefetch_columns(block.a, block.a_step, block.a_lane, block.rows);
    prefetch_columns(block.b, block.b_step, block.b_lane, block.rows);
  }

  // kAtOnce packs on their way through the rows of a block.
  struct Walk {
    Walk(const AdjointRows& rows, int first) : rows(rows), first(first) {
      for (Mask& each : bad) each = Mask::all(0);
    }

    UPSWEEP_INLINE Doubles load(const char* from, int64_t step, int64_t s,
                                int i) const {
      return L::load(from + s * step + (first + i) * kPackBytes);
    }
    UPSWEEP_INLINE Doubles a(int64_t s, int i) const {
      return load(rows.a, rows.a_step, s, i);
    }
    UPSWEEP_INLINE Doubles b(int64_t s, int i) const {
      return load(rows.b, rows.b_step, s, i);
    }
    UPSWEEP_INLINE Doubles c(int64_t s, int i) const {
      return load(rows.c, rows.c_step, s, i);
    }

    // Advances h. Calls see(row, pack, a, h before the row).
    template <class See>
    UPSWEEP_INLINE void along(int64_t count, Doubles* h, const See& see) {
      each_row(count, h, [&](int64_t s) UPSWEEP_INLINE {
        unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
          auto x = a(s, i), term = b(s, i);
          see(s, i, x, h[i]);
          h[i] = L::multiply_add(x, h[i], term);
          if constexpr (L::kHasLowElements) {
            bad[i] = bad[i] | L::is_low(abs(x), Range::kLowFactor) |
                     L::is_low(abs(term), Range::kLow);
          }
        });
      });
    }

    // Advances g. Calls see(row, pack, l).
    template <bool inclusive, class See>
    UPSWEEP_INLINE void back(int64_t count, Doubles* g, const See& see) {
      // Of inclusive results g is l, still to be multiplied by this.
      Doubles factor[kAtOnce];
      for (Doubles& each : factor) each = Doubles::all(1);
      each_row(count, g, [&](int64_t row) UPSWEEP_INLINE {
        int64_t s = count - 1 - row;
        unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
          auto x = a(s, i), term = c(s, i);
          if constexpr (inclusive) {
            g[i] = L::multiply_add(factor[i], g[i], term);
            see(s, i, g[i]);
            factor[i] = x;
          } else {
            see(s, i, g[i]);
            g[i] = L::multiply_add(x, g[i], term);
          }
          if constexpr (L::kHasLowElements) {
            bad[i] = bad[i] | L::is_low(abs(term), Range::kLow);
          }
        });
      });
      if constexpr (inclusive) {
        for (int i = 0; i < kAtOnce; ++i) g[i] = factor[i] * g[i];
      }
    }

    // Marks the lanes where a number is too small.
    UPSWEEP_INLINE void check(const Doubles* numbers) {
      unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
        bad[i] = bad[i] | L::is_low(abs(numbers[i]), Range::kLow);
      });
    }

    // The lanes where these numbers, too, are in the range. What has overflowed
    // stays infinite or NaN.
    LaneSet within(std::initializer_list<const Doubles*> numbers) const {
      LaneSet set = 0;
      for (int i = 0; i < kAtOnce; ++i) {
        Mask out = bad[i];
        for (const Doubles* each : numbers) {
          auto m = abs(each[i]);
          out = out | ((Doubles::all(Range::kHigh) >= m) ^ Mask::all(-1)) |
                L::is_low(m, Range::kLow);
        }
        if (!any(out)) {
          set |= ((LaneSet{1} << L::kSize) - 1) << lane(i);
          continue;
        }
        int64_t is_out[L::kSize];
        out.store(is_out);
        for (int k = 0; k < L::kSize; ++k) {
          if (!is_out[k]) set |= LaneSet{1} << (lane(i) + k);
        }
      }
      return set;
    }

    UPSWEEP_INLINE int lane(int i) const { return (first + i) * L::kSize; }

    const AdjointRows& rows;
    int first;
    Mask bad[kAtOnce];

   private:
    template <class Row>
    UPSWEEP_INLINE void each_row(int64_t count, const Doubles* numbers,
                                 const Row& row) {
      int64_t s = 0;
      for (; s + Range::kCheckedRows <= count; s += Range::kCheckedRows) {
        unrolled<Range::kCheckedRows>([&](int i)
                                          UPSWEEP_INLINE { row(s + i); });
        check(numbers);
      }
      for (; s < count; ++s) row(s);
    }
  };

  template <bool inclusive>
  static LaneSet reduce(int64_t count, const AdjointRows& rows,
                        AdjointSummary& summary) {
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      Walk walk(rows, first);
      Doubles product[kAtOnce], h[kAtOnce], g[kAtOnce];
      for (int i = 0; i < kAtOnce; ++i) {
        product[i] = Doubles::all(1);
        h[i] = g[i] = Doubles::all(0);
      }
      walk.along(count, h,
                 [&](int64_t s, int i, const Doubles& x, const Doubles&)
                     UPSWEEP_INLINE {
                       if (i == 0) {
                         Memory::prefetch(rows.a_ahead, s);
                         Memory::prefetch(rows.b_ahead, s);
                         Memory::prefetch(rows.c_ahead, s);
                       }
                       product[i] = x * product[i];
                       if ((s + 1) % Range::kCheckedRows == 0) {
                         walk.bad[i] = walk.bad[i] |
                                       L::is_low(abs(product[i]), Range::kLow);
                       }
                     });
      walk.template back<inclusive>(
          count, g, [](int64_t, int, const Doubles&) UPSWEEP_INLINE {});
      for (int i = 0; i < kAtOnce; ++i) {
        product[i].store(summary.product.part + walk.lane(i));
        h[i].store(summary.along.part + walk.lane(i));
        g[i].store(summary.back.part + walk.lane(i));
      }
      within |= walk.within({product, h, g});
    }
    return within;
  }

  template <bool inclusive>
  static LaneSet scan(int64_t count, const AdjointRows& rows,
                      AdjointStarts& starts, char* of_a, char* of_b) {
    // The h before the elements of each row.
    alignas(64) double before[kBlockRows * kAtOnce * L::kSize];
    auto at = [&](int64_t s, int i) UPSWEEP_INLINE {
      return before + (s * kAtOnce + i) * L::kSize;
    };
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      Walk walk(rows, first);
      Doubles h[kAtOnce], g[kAtOnce];
      for (int i = 0; i < kAtOnce; ++i) {
        h[i] = Doubles::load(starts.h.part + walk.lane(i));
        g[i] = Doubles::load(starts.g.part + walk.lane(i));
      }
      walk.along(count, h,
                 [&](int64_t s, int i, const Doubles&, const Doubles& number)
                     UPSWEEP_INLINE { number.store(at(s, i)); });
      const auto zero = Doubles::all(0);
      walk.template back<inclusive>(
          count, g, [&](int64_t s, int i, const Doubles& l) UPSWEEP_INLINE {
            auto state = Doubles::load(at(s, i));
            auto product = l * state;
            auto m = abs(product);
            auto fits = Doubles::all(Range::kHighProduct) >= m;
            auto is_low = m < Doubles::all(Range::kLowProduct);
            walk.bad[i] = walk.bad[i] | (fits ^ Mask::all(-1)) |
                          (is_low & (l != zero) & (state != zero));
            int64_t to = s * kRow + (first + i) * kPackBytes;
            L::store(of_a + to, product);
            L::store(of_b + to, l);
          });
      for (int i = 0; i < kAtOnce; ++i) {
        h[i].store(starts.h.part + walk.lane(i));
        g[i].store(starts.g.part + walk.lane(i));
      }
      within |= walk.within({h, g});
    }
    return within;
  }
};

template <class T>
inline constexpr AdjointKernel kAdjoint = {
    RecurrenceLanes<T>::n,    AdjointBlocks<T>::advance, AdjointBlocks<T>::load,
    AdjointBlocks<T>::reduce, AdjointBlocks<T>::scan,    order_streams,
};

const AdjointKernel& find_adjoint_kernel(Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::float16:
      return kAdjoint<float16_t>;
    case Dtype::Val::bfloat16:
      return kAdjoint<bfloat16_t>;
    case Dtype::Val::float64:
      return kAdjoint<double>;
    default:
      return kAdjoint<float>;
  }
}

}  // namespace
}  // namespace upsweep
