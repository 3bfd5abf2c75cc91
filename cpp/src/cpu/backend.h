// The CPU as a backend.
#pragma once

#include "../core/backend.h"

namespace upsweep {

Backend& cpu_backend();

}  // namespace upsweep
