// The only table of operators: the core, the Python extension and their tests
// use it.
#pragma once

#include "upsweep/dtype.h"

/// OPERATOR(op, scan, result) for each operator, in the order of the reference:
/// the operator, the name of its scan, and the dtype of the scan's result,
/// which is also the dtype it computes in:
///
///   same       that of the input
///   countable  that of the input, but int32 for bool_
///   floating   that of the input, but float32 for bool_ and integers
#define UPSWEEP_OPERATORS(OPERATOR) \
  OPERATOR(prod, cumprod, same)     \
  OPERATOR(sum, cumsum, countable)  \
  OPERATOR(max, cummax, same)       \
  OPERATOR(min, cummin, same)       \
  OPERATOR(logaddexp, logcumsumexp, floating)

namespace upsweep {

#define UPSWEEP_OP(op, scan, result) op,
enum class Op { UPSWEEP_OPERATORS(UPSWEEP_OP) };
#undef UPSWEEP_OP

/// The operator's name, such as "prod".
inline const char* op_name(Op op) {
#define UPSWEEP_NAME(op, scan, result) #op,
  constexpr const char* names[] = {UPSWEEP_OPERATORS(UPSWEEP_NAME)};
#undef UPSWEEP_NAME
  return names[static_cast<int>(op)];
}

/// The dtype of a scan's result, in which the scan computes.
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
