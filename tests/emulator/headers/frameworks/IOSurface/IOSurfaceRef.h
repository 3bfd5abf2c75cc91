// What metal-cpp takes from IOSurface, for machines without Apple's SDK.
#pragma once

typedef struct __IOSurface* IOSurfaceRef;
