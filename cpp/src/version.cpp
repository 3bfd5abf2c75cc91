// The version of the library that is linked.
#include "upsweep/version.h"

namespace upsweep {

const char* version() { return UPSWEEP_VERSION; }

}  // namespace upsweep
