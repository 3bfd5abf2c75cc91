// The exact path of the derivatives of products: the lane of a block, element
// by element, with exponents that cannot overflow.
#pragma once

#include "../core/backend.h"
#include "recurrence_kernel.h"
#include "wide_number.h"

namespace upsweep {

namespace {

// Elements of a dtype whose numbers have so many parts.
template <int parts>
struct WideElement {
  int64_t size;
  WideNumber<parts> (*load)(const void* from);
  void (*store)(void* to, const WideNumber<parts>& x);

  template <class T>
  static WideElement of() {
    return {sizeof(T),
            [](const void* from) {
              return load_normalised(static_cast<const T*>(from));
            },
            [](void* to, const WideNumber<parts>& x) {
              upsweep::store(static_cast<T*>(to), x);
            }};
  }
  static WideElement of(Dtype dtype) {
    if constexpr (parts == 2) {
      return of<complex64_t>();
    } else {
      switch (dtype.val) {
        case Dtype::Val::float16:
          return of<float16_t>();
        case Dtype::Val::bfloat16:
          return of<bfloat16_t>();
        case Dtype::Val::float64:
          return of<double>();
        default:
          return of<float>();
      }
    }
  }
};

// See GradientKernel.
template <int parts>
struct ExactGradient {
  using Number = WideNumber<parts>;

  struct State {
    Number product = one();
    Number h{};
    // Of vjp: whether a reset was met, to which the product is complete.
    bool ended = false;

    bool is_finite() const { return product.is_finite() && h.is_finite(); }
  };

  static Number one() { return {{0.5}, 1}; }
  static Number times(const Number& a, const Number& b) {
    return advance(a, b, Number{});
  }
  static Number plus(const Number& a, const Number& b) {
    if (a.is_finite() && b.is_finite()) return advance_finite(one(), a, b);
    // Part by part: 1 times an infinite part is NaN beside a finite one.
    Number r{};
    for (int i = 0; i < parts; ++i) {
      r.part[i] = scaled(a.part[i], a.exponent) + scaled(b.part[i], b.exponent);
    }
    return r;
  }

  explicit ExactGradient(const GradientWork& work)
      : kind_(work.kind),
        inclusive_(work.inclusive),
        dtype_(WideElement<parts>::of(work.dtype)) {}

  // The numbers after the lane; from 1 and 0, what it makes of others.
  State walk(const RecurrenceBlock& block, int lane, State state = {}) const {
    for (int64_t s = 0; s < block.rows; ++s) step(block, lane, s, state);
    return state;
  }

  // Of vjp: the product after the lane, in the order of the product. If wanted,
  // `before` gets the one before each element.
  Number multiply(const RecurrenceBlock& block, int lane, Number product,
                  Number* before = nullptr) const {
    for (int64_t s = block.rows - 1; s >= 0; --s) {
      if (is_reset(block, lane, s)) product = one();
      if (before) before[s] = product;
      product = times(element(block, lane, s), product);
    }
    return product;
  }

  // Writes the results of the lane.
  void scan(const RecurrenceBlock& block, int lane, State state) const {
    Number before[kBlockRows];
    if (kind_ == Derivative::vjp) multiply(block, lane, state.product, before);
    for (int64_t s = 0; s < block.rows; ++s) {
      if (kind_ == Derivative::jvp && is_reset(block, lane, s)) state = {};
      Number h = state.h;
      step(block, lane, s, state);
      Number result;
      if (kind_ == Derivative::jvp) {
        result = inclusive_ ? state.h : h;
      } else {
        result =
            times(before[s], inclusive_ ? plus(term(block, lane, s), h) : h);
      }
      dtype_.store(static_cast<char*>(block.out) +
                       at(lane, s, block.out_lane, block.out_step),
                   result);
    }
  }

 private:
  // In bytes.
  int64_t at(int lane, int64_t s, int64_t lane_step, int64_t step) const {
    return (lane * lane_step + s * step) * dtype_.size;
  }
  Number element(const RecurrenceBlock& block, int lane, int64_t s) const {
    return dtype_.load(static_cast<const char*>(block.a) +
                       at(lane, s, block.a_lane, block.a_step));
  }
  Number term(const RecurrenceBlock& block, int lane, int64_t s) const {
    return dtype_.load(static_cast<const char*>(block.b) +
                       at(lane, s, block.b_lane, block.b_step));
  }

  static bool is_reset(const RecurrenceBlock& block, int lane, int64_t s) {
    return block.reset &&
           block.reset[lane * block.out_lane + s * block.out_step];
  }

  void step(const RecurrenceBlock& block, int lane, int64_t s,
            State& state) const {
    Number x = element(block, lane, s), c = term(block, lane, s);
    bool reset = is_reset(block, lane, s);
    if (kind_ == Derivative::jvp) {
      if (reset) state = {};
      state.h = advance(x, state.h, times(c, state.product));
    } else if (inclusive_) {
      state.h = times(x, plus(c, state.h));
    } else {
      state.h = advance(x, state.h, c);
    }
    if (!state.ended) state.product = times(x, state.product);
    if (kind_ == Derivative::vjp && reset) {
      state.h = {};
      state.ended = true;
    }
  }

  Derivative kind_;
  bool inclusive_;
  WideElement<parts> dtype_;
};

}  // namespace

}  // namespace upsweep
