// CarryMethods: arithmetic on CarryRecord, for each (op, dtype).
#pragma once

#include <cstdint>

#include "../core/backend.h"
#include "upsweep/carry.h"

namespace upsweep {

struct CarryMethods {
  // The record of no elements.
  CarryRecord (*identity)();
  // Appends an element: to the total, and to the prefix if that is decided.
  void (*append_element)(CarryRecord& record, const void* element);
  // Appends `count` elements, `step` elements apart, to the total only.
  void (*append_to_total)(CarryRecord& record, const void* elements,
                          int64_t step, int64_t count);
  // Appends the total of `next` to the total, and to the prefix if that is
  // decided. The prefix is undecided afterwards if a result may have left the
  // range of the dtype on the way.
  void (*append)(CarryRecord& record, const CarryRecord& next);
  // Writes the prefix, rounded to the dtype.
  void (*store_value)(const CarryRecord& record, void* to);
  // The prefix is the total.
  bool is_associative;
};

// The record of what a line starts with.
CarryRecord first_record(const Initial& initial, Op op, Dtype dtype,
                         int64_t line);

// There is one for every (op, dtype) of a kernel of the CPU.
const CarryMethods& carry_methods(Op op, Dtype dtype);

}  // namespace upsweep
