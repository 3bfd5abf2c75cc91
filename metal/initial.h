// What lines start with: the identity, an element before the first, or a carry;
// one for each line or one for all.
#pragma once

namespace upsweep {

// The prefix that a carry stands for. Carries of a monoid without numbers come
// as elements.
template <class M, bool has_numbers>
struct CarryPrefix {
  static METAL_FUNC typename M::Prefix of(CarryNumber number) {
    return M::from_carry(number);
  }
};
template <class M>
struct CarryPrefix<M, false> {
  static METAL_FUNC typename M::Prefix of(CarryNumber) { return M::initial(); }
};

// The number of a thread's line.
template <class M>
METAL_FUNC int64_t line_number(Task<M> task, constant ScanParams& params) {
  int64_t at = task.panel.out - params.first_out +
               int64_t(task.coord.column) * params.column.out_step +
               int64_t(task.coord.batch) * params.batch.out_step;
  int64_t outer = at / params.line_block;
  return outer * params.lines_after + (at - outer * params.line_block);
}

// The Prefix before the first element of a thread's line.
template <class M>
METAL_FUNC typename M::Prefix initial_prefix(Task<M> task,
                                             constant ScanParams& params) {
  using Value = typename M::Value;
  if (params.initial_kind == kInitialIdentity || !task.coord.is_active) {
    return M::initial();
  }
  int64_t at = line_number(task, params);
  if (params.initial_per_line == 0) at &= (1 << params.reset_shift) - 1;
  if (params.initial_kind == kInitialCarry) {
    device const CarryNumber* carries =
        (device const CarryNumber*)task.initials;
    return CarryPrefix<M, M::kHasCarryNumbers>::of(carries[at]);
  }
  device const Value* elements = (device const Value*)task.initials;
  return RangeExits<M, M::kCanExitRange>::advance(
      M::initial(), elements[params.initial_start + at]);
}

// Writes the initial value before the first result of a line.
template <class M>
METAL_FUNC void store_initial(Task<M> task, constant ScanParams& params,
                              typename M::Prefix initial) {
  if (params.include_initial == 0) return;
  if (!task.coord.is_active || task.coord.line_thread != 0) return;
  int64_t at = task.panel.out - params.length.out_step +
               int64_t(task.coord.column) * params.column.out_step +
               int64_t(task.coord.batch) * params.batch.out_step;
  task.out[at] = M::value(initial);
}

}  // namespace upsweep
