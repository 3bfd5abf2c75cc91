// The exact path of the derivatives of products: the lane of a block, element
// by element, with exponents that cannot overflow.
#pragma once

#include "../core/backend.h"
#include "recurrence_kernel.h"
#include "wide_number.h"

namespace upsweep {

namespace {

// See GradientKernel.
template <class T>
struct ExactGradient {
  using Number = WideNumber<kParts<T>>;

  struct State {
    Number product = one();
    Number h{};

    bool is_finite() const { return product.is_finite() && h.is_finite(); }
  };

  static Number one() { return {{0.5}, 1}; }
  static Number times(const Number& a, const Number& b) {
    return advance(a, b, Number{});
  }
  static Number plus(const Number& a, const Number& b) {
    return advance(one(), a, b);
  }

  ExactGradient(Derivative kind, bool inclusive)
      : kind_(kind), inclusive_(inclusive) {}

  // The numbers after the lane; from 1 and 0, what it makes of others.
  State walk(const RecurrenceBlock& block, int lane, State state = {}) const {
    for (int64_t s = 0; s < block.rows; ++s) step(block, lane, s, state);
    return state;
  }

  // Writes the results of the lane.
  void scan(const RecurrenceBlock& block, int lane, State state) const {
    auto* out = static_cast<T*>(block.out) + lane * block.out_lane;
    Number before[kBlockRows];
    Number product = state.product;
    for (int64_t s = block.rows - 1; kind_ == Derivative::vjp && s >= 0; --s) {
      before[s] = product;
      product = times(element(block, lane, s), product);
    }
    for (int64_t s = 0; s < block.rows; ++s) {
      Number h = state.h;
      step(block, lane, s, state);
      Number result;
      if (kind_ == Derivative::jvp) {
        result = inclusive_ ? state.h : h;
      } else {
        result =
            times(before[s], inclusive_ ? plus(term(block, lane, s), h) : h);
      }
      store(out + s * block.out_step, result);
    }
  }

 private:
  static Number element(const RecurrenceBlock& block, int lane, int64_t s) {
    return load_normalised(static_cast<const T*>(block.a) +
                           lane * block.a_lane + s * block.a_step);
  }
  static Number term(const RecurrenceBlock& block, int lane, int64_t s) {
    return load_normalised(static_cast<const T*>(block.b) +
                           lane * block.b_lane + s * block.b_step);
  }

  void step(const RecurrenceBlock& block, int lane, int64_t s,
            State& state) const {
    Number x = element(block, lane, s), c = term(block, lane, s);
    if (kind_ == Derivative::jvp) {
      state.h = advance(x, state.h, times(c, state.product));
    } else if (inclusive_) {
      state.h = times(x, plus(c, state.h));
    } else {
      state.h = advance(x, state.h, c);
    }
    state.product = times(x, state.product);
  }

  Derivative kind_;
  bool inclusive_;
};

}  // namespace

}  // namespace upsweep
