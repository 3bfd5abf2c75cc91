// Carries as the kernels read them: CarryNumbers, or elements.
#pragma once

#include <cstddef>

#include "../core/op.h"
#include "upsweep/carry.h"

namespace upsweep {

// Whether the kernels of (op, dtype) read carries as CarryNumbers.
bool has_carry_numbers(Op op, Dtype dtype);

// Bytes of a carry. A complex sum has a CarryNumber for each part.
size_t carry_number_bytes(Op op, Dtype dtype);

// Writes the prefixes of `count` carries.
void write_carry_numbers(Op op, Dtype dtype, const CarryRecord* from,
                         size_t count, void* to);

}  // namespace upsweep
