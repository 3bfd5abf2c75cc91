// All that the kernels are made of, from the bottom to the top: each file uses
// what comes before it.
#pragma once

// Loops over a thread's items: unrolled, so that these stay in registers.
#ifndef UPSWEEP_UNROLL
#define UPSWEEP_UNROLL _Pragma("clang loop unroll(full)")
#endif

// clang-format off
#include "params.h"
#include "tuning_apple.h"

#include "floats.h"
#include "wide.h"
#include "lanes.h"

#include "stage.h"
#include "group.h"
#include "monoid.h"
#include "panel.h"
#include "tile.h"
#include "spine.h"

#include "integers.h"
#include "extremum.h"
#include "product.h"
#include "complex_product.h"
#include "sum.h"
#include "logaddexp.h"
#include "complex_logaddexp.h"
