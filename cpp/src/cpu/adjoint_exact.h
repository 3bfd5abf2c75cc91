// ExactAdjoint: the exact path of the gradients of recurrences: the lane of a
// block, element by element, with exponents that cannot overflow.
#pragma once

#include "adjoint_kernel.h"
#include "gradient_exact.h"

namespace upsweep {

namespace {

// See AdjointKernel.
class ExactAdjoint {
 public:
  using Number = WideNumber<1>;

  ExactAdjoint(Dtype dtype, bool inclusive)
      : inclusive_(inclusive), dtype_(WideElement<1>::of(dtype)) {}

  // The product of the factors of a lane.
  Number multiply(const AdjointBlock& block, int lane) const {
    Number product = one();
    for (int64_t s = 0; s < block.rows; ++s) {
      product = advance(factor(block, lane, s), product, Number{});
    }
    return product;
  }

  // The h after the lane. If wanted, `before` gets the one before each element.
  Number walk_along(const AdjointBlock& block, int lane, Number h,
                    Number* before = nullptr) const {
    for (int64_t s = 0; s < block.rows; ++s) {
      if (before) before[s] = h;
      h = advance(factor(block, lane, s), h,
                  load(block.b, lane, s, block.b_lane, block.b_step));
    }
    return h;
  }

  // The g before the lane. If wanted, `gradients` gets the l of each element.
  Number walk_back(const AdjointBlock& block, int lane, Number g,
                   Number* gradients = nullptr) const {
    for (int64_t s = block.rows - 1; s >= 0; --s) {
      Number c = load(block.c, lane, s, block.out_lane, block.out_step);
      Number l = inclusive_ ? advance(one(), g, c) : g;
      if (gradients) gradients[s] = l;
      g = advance(factor(block, lane, s), l, inclusive_ ? Number{} : c);
    }
    return g;
  }

  // Writes the gradients of the lane. Returns the g before it.
  Number scan(const AdjointBlock& block, int lane, Number h, Number g) const {
    Number before[kBlockRows], gradients[kBlockRows];
    walk_along(block, lane, h, before);
    g = walk_back(block, lane, g, gradients);
    for (int64_t s = 0; s < block.rows; ++s) {
      int64_t to = at(lane, s, block.out_lane, block.out_step);
      dtype_.store(static_cast<char*>(block.of_b) + to, gradients[s]);
      dtype_.store(static_cast<char*>(block.out) + to,
                   advance(gradients[s], before[s], Number{}));
    }
    return g;
  }

 private:
  static Number one() { return {{0.5}, 1}; }

  // In bytes.
  int64_t at(int lane, int64_t s, int64_t lane_step, int64_t step) const {
    return (lane * lane_step + s * step) * dtype_.size;
  }
  Number load(const void* from, int lane, int64_t s, int64_t lane_step,
              int64_t step) const {
    return dtype_.load(static_cast<const char*>(from) +
                       at(lane, s, lane_step, step));
  }
  Number factor(const AdjointBlock& block, int lane, int64_t s) const {
    return load(block.a, lane, s, block.a_lane, block.a_step);
  }

  bool inclusive_;
  WideElement<1> dtype_;
};

}  // namespace

}  // namespace upsweep
