// What is known of the operators, from the table in upsweep/operators.h.
#pragma once

#include "upsweep/dtype.h"
#include "upsweep/operators.h"

namespace upsweep {

inline const char* scan_name(Op op) {
#define UPSWEEP_NAME(op, scan, result) #scan,
  constexpr const char* names[] = {UPSWEEP_OPERATORS(UPSWEEP_NAME)};
#undef UPSWEEP_NAME
  return names[static_cast<int>(op)];
}

// The dtype of a scan's result, in which the scan computes.
inline Dtype result_dtype(Op op, Dtype dtype) {
  enum class Result { same, countable, floating };
#define UPSWEEP_RESULT(op, scan, result) Result::result,
  constexpr Result results[] = {UPSWEEP_OPERATORS(UPSWEEP_RESULT)};
#undef UPSWEEP_RESULT
  bool is_bool = dtype == bool_;
  switch (results[static_cast<int>(op)]) {
    case Result::same:
      return dtype;
    case Result::countable:
      return is_bool ? int32 : dtype;
    default:
      return is_bool || dtype.is_integer() ? float32 : dtype;
  }
}

}  // namespace upsweep
