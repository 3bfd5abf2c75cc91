// The kernels of the derivatives of products.
#pragma once

#include "gradient_kernel.h"
#include "recurrence_lanes.h"
#include "recurrence_memory.h"

namespace upsweep {
namespace {

// As RecurrenceRange. A result is the product of two numbers in the range.
template <class T>
struct GradientRange {
  static constexpr int kCheckedRows = 4;
  static constexpr double kLow = 0x1p-400, kHigh = 0x1p500;
};
template <>
struct GradientRange<double> {
  static constexpr int kCheckedRows = 1;
  static constexpr double kLow = 0x1p-500, kHigh = 0x1p500;
  static constexpr double kLowFactor = 0x1p-100;
};

template <class T, Derivative kind, bool inclusive>
struct GradientBlocks {
  using L = RecurrenceLanes<T>;
  using Memory = RecurrenceMemory<typename L::Unit>;
  using Range = GradientRange<T>;
  using Doubles = typename L::Doubles;
  using Mask = typename L::Mask;
  static constexpr int64_t kRow = Memory::kRow;
  static constexpr int64_t kPackBytes = kRow / L::kPacks;
  // As in RecurrenceBlocks.
  static constexpr int kAtOnce =
      std::min(L::kPacks, std::max(1, 4 / Doubles::kParts));
  static_assert(L::kPacks % kAtOnce == 0);

  static LaneSet reduce(const RecurrenceBlock& block,
                        const RecurrenceRows& rows, GradientSummary& summary) {
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      Walk<true> walk(rows, first);
      Doubles largest[kAtOnce];
      for (Doubles& m : largest) m = Doubles::all(0);
      walk.run(block.rows, [&](int64_t, int i, const Doubles&, const Doubles& c)
                               UPSWEEP_INLINE {
                                 largest[i] = max(L::magnitude(c), largest[i]);
                               });
      for (int i = 0; i < kAtOnce; ++i) {
        int at = (first + i) * L::kSize;
        walk.product[i].store(summary.product.part + at);
        walk.h[i].store(summary.sum.part + at);
        largest[i].store(summary.largest_term.part + at);
        within |= lanes_in(walk.within(i), at);
      }
    }
    return within;
  }

  static LaneSet scan(const RecurrenceBlock& block, const RecurrenceRows& rows,
                      const GradientStarts& starts, bool streaming) {
    alignas(64) char out[kBlockRows * kRow];
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      within |= kind == Derivative::vjp
                    ? scan_vjp(block.rows, rows, starts, first, out)
                    : scan_jvp(block.rows, rows, starts, first, out);
    }
    Memory::write(block, reinterpret_cast<const typename L::Unit*>(out),
                  streaming);
    return within;
  }

 private:
  UPSWEEP_INLINE static Doubles times(const Doubles& a, const Doubles& b) {
    if constexpr (L::kParts == 2) {
      return L::multiply_add(a, b, Doubles::all(0));
    } else {
      return a * b;
    }
  }

  // h of kAtOnce packs on its way through the rows, and the product if wanted.
  template <bool with_product>
  struct Walk {
    Walk(const RecurrenceRows& rows, int first)
        : a(rows.a + first * kPackBytes),
          b(rows.b + first * kPackBytes),
          a_step(rows.a_step),
          b_step(rows.b_step) {
      for (int i = 0; i < kAtOnce; ++i) {
        product[i] = L::one();
        h[i] = Doubles::all(0);
        bad[i] = Mask::all(0);
      }
    }

    // Calls see(row, pack, x, c) before each row.
    template <class See>
    UPSWEEP_INLINE void run(int64_t count, const See& see) {
      auto row = [&](int64_t s) UPSWEEP_INLINE {
        unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
          auto x = L::load(a + i * kPackBytes), c = L::load(b + i * kPackBytes);
          see(s, i, x, c);
          step(i, x, c);
        });
        a += a_step;
        b += b_step;
      };
      int64_t s = 0;
      for (; s + Range::kCheckedRows <= count; s += Range::kCheckedRows) {
        unrolled<Range::kCheckedRows>([&](int i)
                                          UPSWEEP_INLINE { row(s + i); });
        unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE { check(i); });
      }
      for (; s < count; ++s) row(s);
    }

    UPSWEEP_INLINE void step(int i, const Doubles& x, const Doubles& c) {
      if constexpr (kind == Derivative::jvp) {
        h[i] = L::multiply_add(x, h[i], times(c, product[i]));
      } else if constexpr (inclusive) {
        h[i] = times(x, c + h[i]);
      } else {
        h[i] = L::multiply_add(x, h[i], c);
      }
      if constexpr (with_product) product[i] = times(x, product[i]);
      if constexpr (L::kHasLowElements) {
        bad[i] = bad[i] | L::is_low(abs(x), Range::kLowFactor) |
                 L::is_low(abs(c), Range::kLow);
      }
    }

    UPSWEEP_INLINE void check(int i) {
      bad[i] = bad[i] | L::is_low(L::magnitude(h[i]), Range::kLow);
      if constexpr (with_product) {
        bad[i] = bad[i] | L::is_low(L::magnitude(product[i]), Range::kLow);
      }
    }

    // What has overflowed stays infinite or NaN.
    Mask within(int i) const {
      return GradientBlocks::in_range(product[i]) &
             GradientBlocks::in_range(h[i]) & (bad[i] ^ Mask::all(-1));
    }

    const char *a, *b;
    int64_t a_step, b_step;
    Doubles product[kAtOnce], h[kAtOnce];
    Mask bad[kAtOnce];
  };

  static Mask in_range(const Doubles& numbers) {
    auto m = L::magnitude(numbers);
    return (Doubles::all(Range::kHigh) >= m) &
           ((m >= Doubles::all(Range::kLow)) | (m == Doubles::all(0)));
  }

  // The lanes of a pack whose parts are all in a mask.
  static LaneSet lanes_in(const Mask& mask, int at) {
    int64_t is_in[L::kSize];
    mask.store(is_in);
    LaneSet set = 0;
    for (int k = 0; k < L::kSize; k += L::kParts) {
      if (is_in[k] && is_in[k + L::kParts - 1]) {
        set |= LaneSet{1} << (at + k) / L::kParts;
      }
    }
    return set;
  }

  template <bool with_product>
  static Walk<with_product> start(const RecurrenceRows& rows,
                                  const GradientStarts& starts, int first) {
    Walk<with_product> walk(rows, first);
    for (int i = 0; i < kAtOnce; ++i) {
      int at = (first + i) * L::kSize;
      walk.h[i] = Doubles::load(starts.h.part + at);
      if (with_product)
        walk.product[i] = Doubles::load(starts.product.part + at);
    }
    return walk;
  }

  // A result of pack i.
  UPSWEEP_INLINE static void store(char* out, const GradientStarts& starts,
                                   int first, int64_t s, int i,
                                   const Doubles& result) {
    int at = (first + i) * L::kSize;
    auto scaled = result * Doubles::load(starts.scale[0].part + at) *
                  Doubles::load(starts.scale[1].part + at);
    L::store(out + s * kRow + (first + i) * kPackBytes, scaled);
  }

  static LaneSet scan_jvp(int64_t count, const RecurrenceRows& rows,
                          const GradientStarts& starts, int first, char* out) {
    auto walk = start<true>(rows, starts, first);
    walk.run(count, [&](int64_t s, int i, const Doubles& x,
                        const Doubles& c) UPSWEEP_INLINE {
      auto result = walk.h[i];
      if constexpr (inclusive) {
        result = L::multiply_add(x, result, times(c, walk.product[i]));
      }
      store(out, starts, first, s, i, result);
    });
    LaneSet within = 0;
    for (int i = 0; i < kAtOnce; ++i) {
      within |= lanes_in(walk.within(i), (first + i) * L::kSize);
    }
    return within;
  }

  static LaneSet scan_vjp(int64_t count, const RecurrenceRows& rows,
                          const GradientStarts& starts, int first, char* out) {
    // The products before the elements of each row.
    alignas(64) double before[kBlockRows * kAtOnce * L::kSize];
    auto at = [&](int64_t s, int i) UPSWEEP_INLINE {
      return before + (s * kAtOnce + i) * L::kSize;
    };
    Doubles product[kAtOnce];
    Mask low[kAtOnce];
    for (int i = 0; i < kAtOnce; ++i) {
      product[i] = Doubles::load(starts.product.part + (first + i) * L::kSize);
      low[i] = Mask::all(0);
    }
    const char* a = rows.a + (count - 1) * rows.a_step + first * kPackBytes;
    auto row = [&](int64_t s) UPSWEEP_INLINE {
      unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
        product[i].store(at(s, i));
        product[i] = times(L::load(a + i * kPackBytes), product[i]);
      });
      a -= rows.a_step;
    };
    int64_t s = count - 1;
    for (; s >= Range::kCheckedRows - 1; s -= Range::kCheckedRows) {
      unrolled<Range::kCheckedRows>([&](int k) UPSWEEP_INLINE { row(s - k); });
      unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
        low[i] = low[i] | L::is_low(L::magnitude(product[i]), Range::kLow);
      });
    }
    for (; s >= 0; --s) row(s);
    auto walk = start<false>(rows, starts, first);
    walk.run(count, [&](int64_t r, int i, const Doubles&,
                        const Doubles& c) UPSWEEP_INLINE {
      auto sum = inclusive ? c + walk.h[i] : walk.h[i];
      store(out, starts, first, r, i, times(Doubles::load(at(r, i)), sum));
    });
    LaneSet within = 0;
    for (int i = 0; i < kAtOnce; ++i) {
      Mask in =
          walk.within(i) & in_range(product[i]) & (low[i] ^ Mask::all(-1));
      within |= lanes_in(in, (first + i) * L::kSize);
    }
    return within;
  }
};

template <class T, Derivative kind, bool inclusive>
inline constexpr GradientKernel kGradient = {
    RecurrenceLanes<T>::n,
    GradientBlocks<T, kind, inclusive>::Memory::load,
    GradientBlocks<T, kind, inclusive>::reduce,
    GradientBlocks<T, kind, inclusive>::scan,
    order_streams,
};

template <class T>
const GradientKernel& find_gradient_kernel(Derivative kind, bool inclusive) {
  if (kind == Derivative::vjp) {
    return inclusive ? kGradient<T, Derivative::vjp, true>
                     : kGradient<T, Derivative::vjp, false>;
  }
  return inclusive ? kGradient<T, Derivative::jvp, true>
                   : kGradient<T, Derivative::jvp, false>;
}

const GradientKernel& find_gradient_kernel(Dtype dtype, Derivative kind,
                                           bool inclusive) {
  switch (dtype.val) {
    case Dtype::Val::float16:
      return find_gradient_kernel<float16_t>(kind, inclusive);
    case Dtype::Val::bfloat16:
      return find_gradient_kernel<bfloat16_t>(kind, inclusive);
    case Dtype::Val::float64:
      return find_gradient_kernel<double>(kind, inclusive);
    case Dtype::Val::complex64:
      return find_gradient_kernel<complex64_t>(kind, inclusive);
    default:
      return find_gradient_kernel<float>(kind, inclusive);
  }
}

}  // namespace
}  // namespace upsweep
