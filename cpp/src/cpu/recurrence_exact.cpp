// A state is a mantissa and an exponent. Elements that are not finite, and
// states after them, follow IEEE arithmetic.
#include "recurrence_exact.h"

#include <algorithm>

#include "wide_number.h"

namespace upsweep {

namespace {

template <class T>
RecurrenceState load_state(const void* element) {
  RecurrenceState state;
  WideNumber<kParts<T>> h = load(static_cast<const T*>(element));
  std::copy_n(h.part, kParts<T>, state.part);
  return state;
}

template <class T>
void scan(const RecurrenceLine& line, RecurrenceState& state, bool inclusive) {
  using H = WideNumber<kParts<T>>;
  auto* a = static_cast<const T*>(line.a);
  auto* b = static_cast<const T*>(line.b);
  auto* out = static_cast<T*>(line.out);
  H h{};
  std::copy_n(state.part, kParts<T>, h.part);
  h.exponent = state.exponent;
  if (h.is_finite()) h.normalise();
  for (int64_t i = 0; i < line.length; ++i) {
    if (!line.reset && h.is_nan()) {
      for (; i < line.length; ++i) store(out + i * line.out_step, h);
      break;
    }
    if (line.reset && line.reset[i * line.out_step]) h = {};
    if (!inclusive) store(out + i * line.out_step, h);
    H x = load_normalised(a + i * line.a_step);
    H y = load_normalised(b + i * line.b_step);
    bool is_reset = line.reset && line.reset[i * line.out_step];
    h = is_reset ? y : advance(x, h, y);
    if (inclusive) store(out + i * line.out_step, h);
  }
  // Where double can hold it, the fast path may take it up again.
  if (-1000 <= h.exponent && h.exponent <= 1000) {
    for (double& p : h.part) p = scaled(p, h.exponent);
    h.exponent = 0;
  }
  std::copy_n(h.part, kParts<T>, state.part);
  state.exponent = h.exponent;
}

template <class T>
constexpr ExactRecurrence kExact = {load_state<T>, scan<T>};

}  // namespace

const ExactRecurrence& exact_recurrence(Dtype dtype) {
  switch (dtype.val) {
    case Dtype::Val::float16:
      return kExact<float16_t>;
    case Dtype::Val::bfloat16:
      return kExact<bfloat16_t>;
    case Dtype::Val::float64:
      return kExact<double>;
    case Dtype::Val::complex64:
      return kExact<complex64_t>;
    default:
      return kExact<float>;
  }
}

}  // namespace upsweep
