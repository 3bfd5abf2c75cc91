// The only table of operators: the core, the Python extension and their tests
// use it.
#pragma once

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

}  // namespace upsweep
