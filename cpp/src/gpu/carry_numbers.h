// Carries as the kernels read and write them: CarryNumbers and ChunkCarries, or
// elements.
#pragma once

#include <cstddef>

#include "../core/backend.h"
#include "upsweep/carry.h"

namespace upsweep {

// Whether the kernels of (op, dtype) read carries as CarryNumbers.
bool has_carry_numbers(Op op, Dtype dtype);

// Bytes of a carry. A complex sum has a CarryNumber for each part.
size_t carry_number_bytes(Op op, Dtype dtype);

// Writes the prefixes, or the totals, of `count` carries.
void write_carry_numbers(Op op, Dtype dtype, const CarryRecord* from,
                         CarryRecord::Number CarryRecord::* which, size_t count,
                         void* to);

// Writes the carries of the work's lines, from ChunkCarries of `chunks` chunks.
// Without prefixes it returns false if totals do not decide all of them.
bool fold_chunk_carries(const CarryWork& work, const void* from, int64_t chunks,
                        bool have_prefixes);

}  // namespace upsweep
