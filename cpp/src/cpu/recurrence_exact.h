// The exact path of recurrences: element by element, with an exponent that
// cannot overflow.
#pragma once

#include <cstdint>

#include "upsweep/dtype.h"

namespace upsweep {

// The value of one line: parts · 2^exponent, real and imaginary part. The fast
// path takes those whose exponent is 0.
struct RecurrenceState {
  double part[2] = {0, 0};
  int64_t exponent = 0;
};

// Elements of one line, in scan order. Steps are in elements.
struct RecurrenceLine {
  const void* a;
  const void* b;
  const uint8_t* reset;  // may be nullptr; as far apart as the results
  void* out;
  int64_t a_step;
  int64_t b_step;
  int64_t out_step;
  int64_t length;
};

struct ExactRecurrence {
  RecurrenceState (*load)(const void* element);
  // Writes the results of a line and advances its state.
  void (*scan)(const RecurrenceLine& line, RecurrenceState& state,
               bool inclusive);
};

const ExactRecurrence& exact_recurrence(Dtype dtype);

}  // namespace upsweep
