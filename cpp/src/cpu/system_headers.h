// Everything of the standard library that kernels include, to be included
// before a file switches its instruction set: what is inline in there may be
// shared between files and must run on any processor.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "upsweep/dtype.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif
