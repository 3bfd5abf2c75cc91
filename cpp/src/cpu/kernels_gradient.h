// The kernels of the derivatives of products.
#pragma once

#include "gradient_kernel.h"
#include "gradient_range.h"
#include "recurrence_lanes.h"
#include "recurrence_memory.h"

namespace upsweep {
namespace {

template <class T, Derivative kind>
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

  static void load(const RecurrenceBlock& block, GradientRows& rows) {
    RecurrenceBlock elements = block;
    elements.reset = nullptr;  // not a factor of 0 here
    Memory::load(elements, rows);
    if (!block.reset) return;
    for (int64_t i = 0; i < block.rows * L::kPacks; ++i) {
      L::store(rows.goes_on + i * kPackBytes, Doubles::all(1));
    }
    Memory::clear_where_reset(block, rows.goes_on);
  }

  static LaneSet reduce(const RecurrenceBlock& block, const GradientRows& rows,
                        bool inclusive, GradientSummary& summary) {
    return block.reset ? reduce<true>(block.rows, rows, inclusive, summary)
                       : reduce<false>(block.rows, rows, inclusive, summary);
  }

  static LaneSet scan(const RecurrenceBlock& block, const GradientRows& rows,
                      const GradientStarts& starts, bool inclusive,
                      bool streaming) {
    alignas(64) char out[kBlockRows * kRow];
    LaneSet within =
        block.reset ? scan<true>(block.rows, rows, starts, inclusive, out)
                    : scan<false>(block.rows, rows, starts, inclusive, out);
    Memory::write(block, reinterpret_cast<const typename L::Unit*>(out),
                  streaming);
    return within;
  }

 private:
  template <bool resets>
  static LaneSet reduce(int64_t count, const GradientRows& rows, bool inclusive,
                        GradientSummary& summary) {
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      Walk<true, resets> walk(rows, first, inclusive);
      Doubles largest[kAtOnce];
      for (Doubles& m : largest) m = Doubles::all(0);
      walk.run(count, [&](int64_t, int i, const Doubles& c, const Doubles&)
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

  template <bool resets>
  static LaneSet scan(int64_t count, const GradientRows& rows,
                      const GradientStarts& starts, bool inclusive, char* out) {
    LaneSet within = 0;
    for (int first = 0; first < L::kPacks; first += kAtOnce) {
      Results results{starts, first, out};
      within |= kind == Derivative::vjp
                    ? scan_vjp<resets>(count, rows, results, inclusive)
                    : scan_jvp<resets>(count, rows, results, inclusive);
    }
    return within;
  }

  UPSWEEP_INLINE static Doubles times(const Doubles& a, const Doubles& b) {
    if constexpr (L::kParts == 2) {
      return L::multiply_add(a, b, Doubles::all(0));
    } else {
      return a * b;
    }
  }

  UPSWEEP_INLINE static Mask is_reset(const char* goes_on) {
    return L::load(goes_on) == Doubles::all(0);
  }
  // h of kAtOnce packs on its way through the rows, and the product if wanted.
  template <bool with_product, bool resets>
  struct Walk {
    Walk(const GradientRows& rows, int first, bool inclusive)
        : a(rows.a + first * kPackBytes),
          b(rows.b + first * kPackBytes),
          goes_on(rows.goes_on + first * kPackBytes),
          a_step(rows.a_step),
          b_step(rows.b_step),
          own(Mask::all(inclusive ? -1 : 0)) {
      for (int i = 0; i < kAtOnce; ++i) {
        product[i] = L::one();
        h[i] = Doubles::all(0);
        bad[i] = ended[i] = Mask::all(0);
      }
    }

    // Calls see(row, pack, c, h before the row) after each row.
    template <class See>
    UPSWEEP_INLINE void run(int64_t count, const See& see) {
      for (int64_t s = 0; s < count;) {
        int64_t end = std::min(s + Range::kCheckedRows, count);
        bool is_whole = end - s == Range::kCheckedRows;
        for (; s < end; ++s) {
          unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
            auto x = L::load(a + i * kPackBytes);
            auto c = L::load(b + i * kPackBytes);
            if constexpr (resets && kind == Derivative::jvp) restart(i);
            auto before = h[i];
            if constexpr (resets && kind == Derivative::vjp) {
              step_to_reset(i, x, c);
            } else {
              step(i, x, c);
            }
            see(s, i, c, before);
          });
          a += a_step;
          b += b_step;
          if constexpr (resets) goes_on += kRow;
        }
        if (is_whole)
          unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE { check(i); });
      }
    }

    UPSWEEP_INLINE void step(int i, const Doubles& x, const Doubles& c) {
      if constexpr (kind == Derivative::jvp) {
        h[i] = L::multiply_add(x, h[i], times(c, product[i]));
      } else {
        auto zero = Doubles::all(0);
        h[i] = L::multiply_add(x, select(own, c, zero) + h[i],
                               select(own, zero, c));
      }
      if constexpr (with_product) product[i] = times(x, product[i]);
      if constexpr (L::kHasLowElements) {
        bad[i] = bad[i] | L::is_low(abs(x), Range::kLowFactor) |
                 L::is_low(abs(c), Range::kLow);
      }
    }

    // Along the product: the element starts a segment.
    UPSWEEP_INLINE void restart(int i) {
      Mask reset = is_reset(goes_on + i * kPackBytes);
      // If h has overflowed, or a product that it took, it would not stay so
      // until the end. Those of vjp show in a result.
      auto fits = Doubles::all(Range::kHigh) >= L::magnitude(h[i]);
      bad[i] = bad[i] | (reset & (fits ^ Mask::all(-1)));
      h[i] = select(reset, Doubles::all(0), h[i]);
      product[i] = select(reset, L::one(), product[i]);
    }

    // Against the product: the element ends what came so far, of which the
    // product is that of the last segment.
    UPSWEEP_INLINE void step_to_reset(int i, const Doubles& x,
                                      const Doubles& c) {
      auto last = product[i];
      step(i, x, c);
      if constexpr (with_product)
        product[i] = select(ended[i], last, product[i]);
      Mask reset = is_reset(goes_on + i * kPackBytes);
      h[i] = select(reset, Doubles::all(0), h[i]);
      ended[i] = ended[i] | reset;
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

    const char *a, *b, *goes_on;
    int64_t a_step, b_step;
    Mask own;  // whether a term counts in its own sum
    Doubles product[kAtOnce], h[kAtOnce];
    Mask bad[kAtOnce], ended[kAtOnce];
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

  // Where the results of kAtOnce packs go, and what they start with.
  struct Results {
    const GradientStarts& starts;
    int first;
    char* out;

    UPSWEEP_INLINE int lane(int i) const { return (first + i) * L::kSize; }
    UPSWEEP_INLINE void store(int64_t s, int i, const Doubles& result) const {
      auto scaled = result * Doubles::load(starts.scale[0].part + lane(i)) *
                    Doubles::load(starts.scale[1].part + lane(i));
      L::store(out + s * kRow + (first + i) * kPackBytes, scaled);
    }
  };

  template <bool with_product, bool resets>
  static Walk<with_product, resets> start(const GradientRows& rows,
                                          const Results& results,
                                          bool inclusive) {
    Walk<with_product, resets> walk(rows, results.first, inclusive);
    const GradientStarts& starts = results.starts;
    for (int i = 0; i < kAtOnce; ++i) {
      int at = results.lane(i);
      walk.h[i] = Doubles::load(starts.h.part + at);
      if (with_product)
        walk.product[i] = Doubles::load(starts.product.part + at);
    }
    return walk;
  }

  template <bool resets>
  static LaneSet scan_jvp(int64_t count, const GradientRows& rows,
                          const Results& results, bool inclusive) {
    auto walk = start<true, resets>(rows, results, inclusive);
    walk.run(count, [&](int64_t s, int i, const Doubles&,
                        const Doubles& before) UPSWEEP_INLINE {
      results.store(s, i, select(walk.own, walk.h[i], before));
    });
    LaneSet within = 0;
    for (int i = 0; i < kAtOnce; ++i) {
      within |= lanes_in(walk.within(i), results.lane(i));
    }
    return within;
  }

  // Whether the product of two numbers is too large or too small.
  UPSWEEP_INLINE static Mask has_left(const Doubles& product, const Doubles& a,
                                      const Doubles& b) {
    const auto zero = Doubles::all(0);
    auto m = L::magnitude(product);
    auto fits = Doubles::all(Range::kHighProduct) >= m;
    auto is_low = m < Doubles::all(Range::kLowProduct);
    return (fits ^ Mask::all(-1)) |
           (is_low & (L::magnitude(a) != zero) & (L::magnitude(b) != zero));
  }

  template <bool resets>
  static LaneSet scan_vjp(int64_t count, const GradientRows& rows,
                          const Results& results, bool inclusive) {
    // The products before the elements of each row.
    alignas(64) double before[kBlockRows * kAtOnce * L::kSize];
    auto at = [&](int64_t s, int i) UPSWEEP_INLINE {
      return before + (s * kAtOnce + i) * L::kSize;
    };
    Doubles product[kAtOnce];
    Mask bad[kAtOnce];
    for (int i = 0; i < kAtOnce; ++i) {
      product[i] = Doubles::load(results.starts.product.part + results.lane(i));
      bad[i] = Mask::all(0);
    }
    const char* a =
        rows.a + (count - 1) * rows.a_step + results.first * kPackBytes;
    for (int64_t s = count - 1; s >= 0; --s) {
      unrolled<kAtOnce>([&](int i) UPSWEEP_INLINE {
        if constexpr (resets) {
          Mask reset = is_reset(rows.goes_on + s * kRow +
                                (results.first + i) * kPackBytes);
          product[i] = select(reset, L::one(), product[i]);
        }
        product[i].store(at(s, i));
        product[i] = times(L::load(a + i * kPackBytes), product[i]);
        if ((count - s) % Range::kCheckedRows == 0) {
          bad[i] = bad[i] | L::is_low(L::magnitude(product[i]), Range::kLow);
        }
      });
      a -= rows.a_step;
    }
    auto walk = start<false, resets>(rows, results, inclusive);
    walk.run(count, [&](int64_t s, int i, const Doubles& c,
                        const Doubles& h) UPSWEEP_INLINE {
      auto sum = select(walk.own, c, Doubles::all(0)) + h;
      auto product_before = Doubles::load(at(s, i));
      auto result = times(product_before, sum);
      bad[i] = bad[i] | has_left(result, product_before, sum);
      results.store(s, i, result);
    });
    LaneSet within = 0;
    for (int i = 0; i < kAtOnce; ++i) {
      Mask in =
          walk.within(i) & in_range(product[i]) & (bad[i] ^ Mask::all(-1));
      within |= lanes_in(in, results.lane(i));
    }
    return within;
  }
};

template <class T, Derivative kind>
inline constexpr GradientKernel kGradient = {
    RecurrenceLanes<T>::n,
    GradientBlocks<T, kind>::load,
    GradientBlocks<T, kind>::reduce,
    GradientBlocks<T, kind>::scan,
    order_streams,
};

template <class T>
const GradientKernel& find_gradient_kernel(Derivative kind) {
  return kind == Derivative::vjp ? kGradient<T, Derivative::vjp>
                                 : kGradient<T, Derivative::jvp>;
}

const GradientKernel& find_gradient_kernel(Dtype dtype, Derivative kind) {
  switch (dtype.val) {
    case Dtype::Val::float16:
      return find_gradient_kernel<float16_t>(kind);
    case Dtype::Val::bfloat16:
      return find_gradient_kernel<bfloat16_t>(kind);
    case Dtype::Val::float64:
      return find_gradient_kernel<double>(kind);
    case Dtype::Val::complex64:
      return find_gradient_kernel<complex64_t>(kind);
    default:
      return find_gradient_kernel<float>(kind);
  }
}

}  // namespace
}  // namespace upsweep
