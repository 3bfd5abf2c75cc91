// The whole C++ interface of upsweep.
#pragma once

#include "upsweep/array.h"
#include "upsweep/carry.h"
#include "upsweep/device.h"
#include "upsweep/dtype.h"
#include "upsweep/error.h"
#include "upsweep/float_mode.h"
#include "upsweep/gradient.h"
#include "upsweep/memory.h"
#include "upsweep/ops.h"
#include "upsweep/recurrence.h"
#include "upsweep/scan.h"
#include "upsweep/threads.h"
#include "upsweep/version.h"
