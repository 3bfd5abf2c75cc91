// GradientRange: the numbers with which doubles compute gradients right.
#pragma once

namespace upsweep {
namespace {

// As RecurrenceRange. Between two checks a number may be farther out, and a
// zero may hide it from the next one; so the product of two numbers is checked,
// too.
template <class T>
struct GradientRange {
  static constexpr int kCheckedRows = 4;
  static constexpr double kLow = 0x1p-400, kHigh = 0x1p500;
  static constexpr double kLowProduct = 0x1p-900, kHighProduct = 0x1p1000;
};
template <>
struct GradientRange<double> {
  static constexpr int kCheckedRows = 1;
  static constexpr double kLow = 0x1p-500, kHigh = 0x1p500;
  static constexpr double kLowFactor = 0x1p-100;
  static constexpr double kLowProduct = 0x1p-900, kHighProduct = 0x1p1000;
};

}  // namespace
}  // namespace upsweep
