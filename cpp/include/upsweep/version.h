// The version, defined only here: the build and the packages read it.
#pragma once

#define UPSWEEP_VERSION "0.1.0"

namespace upsweep {

/// The version of the library that is linked, as "major.minor.patch".
const char* version();

}  // namespace upsweep
