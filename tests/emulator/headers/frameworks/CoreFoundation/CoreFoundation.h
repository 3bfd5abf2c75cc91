// What metal-cpp takes from CoreFoundation, for machines without Apple's SDK.
#pragma once

#include <math.h>
#include <stddef.h>

typedef double CFTimeInterval;
