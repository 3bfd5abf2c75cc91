// The CPU as a backend.
#pragma once

#include "../backend.h"

namespace upsweep {

Backend& cpu_backend();

}  // namespace upsweep
