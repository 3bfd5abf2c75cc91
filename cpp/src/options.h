// What the options of a scan become for a backend: checked, and in storage.
#pragma once

#include <optional>

#include "core/backend.h"
#include "upsweep/scan.h"

namespace upsweep {

// What counts of a carry: the prefixes, which then must be decided, or the
// totals.
enum class CarryPart { prefix, total };

// What lines of the given shape start with. Throws std::invalid_argument or
// TypeError for an initial value that does not fit.
Initial make_initial(const char* name, const InitialValue& initial, Op op,
                     Dtype dtype, bool reverse, const Shape& lines,
                     Stream stream, CarryPart part = CarryPart::prefix);

// The flags of ScanWork::reset for an array of the given shape, or nullptr
// without resets.
StoragePtr make_reset(const char* name, const std::optional<array>& reset,
                      const Shape& shape, int axis, const ScanOptions& options,
                      Stream stream);

// The reset of the flattened array of the given shape.
array flatten_reset(const char* name, const array& reset, const Shape& shape,
                    Stream stream);

// A copy with what becomes the operator's identity, in the dtype in which the
// scan computes, instead of NaN.
array replace_nan(const char* name, const array& a, Op op, Dtype computing,
                  Stream stream);

}  // namespace upsweep
