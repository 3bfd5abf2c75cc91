// Everything the kernels are made of, from the bottom up: each file uses those
// before it.
#pragma once

// For loops over a thread's items: unrolled, so that items stay in registers.
#ifndef UPSWEEP_UNROLL
#define UPSWEEP_UNROLL _Pragma("clang loop unroll(full)")
#define UPSWEEP_ROLL _Pragma("clang loop unroll(disable)")
#endif

// clang-format off
#include "tuning_apple.h"
#include "params.h"
#include "carry_number.h"
#include "copy_params.h"

#include "floats.h"
#include "wide.h"
#include "shuffle.h"

#include "tile_access.h"
#include "tile_walk.h"
#include "element_loads.h"
#include "tile_io.h"
#include "group.h"
#include "monoid.h"
#include "panel.h"
#include "register_tile.h"
#include "thread_scan.h"
#include "task.h"
#include "range_exits.h"
#include "tile.h"
#include "initial.h"
#include "whole_lines.h"
#include "reset_flags.h"
#include "chunk_carry.h"
#include "spine.h"
#ifdef UPSWEEP_LOOK_BACK
#include "tile_state.h"
#include "look_back.h"
#endif

#include "integers.h"
#include "extremum.h"
#include "product.h"
#include "range_end.h"
#include "frexp.h"
#include "complex_product.h"
#include "sum.h"
#include "logaddexp.h"
#include "complex_logaddexp.h"
#include "resets.h"
#include "recurrence.h"
#include "recurrence_scan.h"
#include "factor_product.h"
#include "item_block.h"
#include "gradient.h"
#include "gradient_reduce.h"
#include "gradient_lines.h"
#include "gradient_spine.h"
#include "gradient_scan.h"

#include "convert.h"
#include "copy.h"
