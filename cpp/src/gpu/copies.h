// Copies: the parameters of the kernels that copy and convert. Pure arithmetic
// on axes, shared by the backends for GPUs.
#pragma once

#include <cstdint>
#include <vector>

#include "../../../metal/copy_params.h"
#include "../core/backend.h"
#include "launch.h"

namespace upsweep {

// Launches of at most `most` elements each. An empty copy has none.
std::vector<CopyParams> make_copies(const CopyWork& work,
                                    int64_t most = kMaxCopyElements);

// The launch, in threadgroups of `threads` threads.
Launch to_launch(const CopyParams& params, uint32_t threads);

}  // namespace upsweep
