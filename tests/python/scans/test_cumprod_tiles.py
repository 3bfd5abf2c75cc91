"""cumprod of arrays longer than a tile: boundaries, carries and exits."""

import math
from fractions import Fraction

import numpy as np
import pytest
import upsweep
from support import DTYPES, checked_scan, numpy_dtype
from values import kinds, make

BOUNDARIES = [2**k + d for k in range(8, 17) for d in (-1, 0, 1)]
# Used in turn, so that neighbouring cases use different ones.
FLAGS = [
    {"reverse": reverse, "inclusive": inclusive}
    for reverse in (False, True)
    for inclusive in (True, False)
]


@pytest.mark.parametrize("kind", sorted(kinds(np.dtype("float32"))))
def test_lengths_around_powers_of_two(kind):
    for seed, n in enumerate(BOUNDARIES):
        x = make(kind, np.dtype("float32"), (n,), seed)
        checked_scan("cumprod", upsweep.asarray(x), x, **FLAGS[seed % 4])


@pytest.mark.parametrize("name", [d for d in DTYPES if d != "float32"])
def test_lengths_around_powers_of_two_of_other_dtypes(name):
    dtype = numpy_dtype(name)
    chosen = {"specials", "exits", "near_one", "odd_numbers", "truths"}
    for kind in sorted(chosen & set(kinds(dtype)) or kinds(dtype)):
        for seed, n in enumerate(BOUNDARIES[::3]):
            x = make(kind, dtype, (n + 1,), seed)
            checked_scan("cumprod", upsweep.asarray(x), x, **FLAGS[seed % 4])


@pytest.mark.parametrize("k", range(8, 17))
@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "complex64"])
def test_factors_that_straddle_a_boundary(name, k):
    """huge | 1/huge and 1/huge | huge, on either side of the boundary."""
    huge = 2.0**1000 if name == "float64" else 2.0**120
    for first in (huge, 1 / huge):
        x = np.ones(2**k + 256, numpy_dtype(name))
        x[2**k - 1 : 2**k + 1] = first, 1 / first
        checked_scan("cumprod", upsweep.asarray(x), x)
        # A pair of them leaves the range for good.
        x[2**k - 2] = first
        checked_scan("cumprod", upsweep.asarray(x), x)
        checked_scan("cumprod", upsweep.asarray(x), x, reverse=True, inclusive=False)


@pytest.mark.parametrize("special", [0.0, -0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex64"])
def test_special_values_deep_in_a_later_tile(name, special):
    x = np.ones(20000, numpy_dtype(name))
    x[5::7] = -1
    x[16461] = special
    for flags in FLAGS:
        checked_scan("cumprod", upsweep.asarray(x), x, **flags)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("ends", [(1, 2.0), (-1, 0.5)])
def test_steady_growth_and_decay_leave_the_range_and_stay_out(name, ends):
    sign, factor = ends
    x = np.full(2**14, sign * factor, numpy_dtype(name))
    x[2**13 :] = 1 / factor
    checked_scan("cumprod", upsweep.asarray(x), x)
    checked_scan("cumprod", upsweep.asarray(x), x, reverse=True)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_a_million_factors_near_one_stay_within_an_ulp(name):
    x = make("near_one", numpy_dtype(name), (2**20,))
    assert checked_scan("cumprod", upsweep.asarray(x), x) <= 1.0


SHAPES = [
    ((4096, 16), 0),
    ((1, 5000, 7), 1),
    ((8, 4096), 1),
    ((1, 2**15), 1),
    ((2**15, 1), 0),
    ((15000, 2), 0),
    ((40, 33, 20), 1),
    ((2500, 3, 4), -3),
    ((2, 257, 65), -2),
    ((9000, 3), -1),
    ((150, 201), None),
]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("kind", ["see_saw", "exits", "specials", "near_one"])
def test_long_and_strided_axes(shape, axis, kind):
    x = make(kind, numpy_dtype("float32"), shape, seed=len(kind))
    flags = FLAGS[(len(shape) + len(kind)) % 4]
    checked_scan("cumprod", upsweep.asarray(x), x, axis=axis, **flags)


@pytest.mark.parametrize("name", [d for d in DTYPES if d != "float32"])
def test_long_strided_axes_of_other_dtypes(name):
    dtype = numpy_dtype(name)
    for i, kind in enumerate(sorted(kinds(dtype))):
        x = make(kind, dtype, (2, 2100, 5), seed=i)
        checked_scan("cumprod", upsweep.asarray(x), x, axis=1, **FLAGS[i % 4])


def test_mantissas_of_all_factors_are_nearly_2():
    """Where threads have 64 factors each, two threads' mantissas have a product
    that no float32 holds."""
    x = np.full(1024, 1.99, np.float32)
    checked_scan("cumprod", upsweep.asarray(x), x)
    up, down = np.full(32, 3.99), np.full(32, 1.995 / 8)
    x = np.tile(np.concatenate([up, down]).astype(np.float32), 64)
    checked_scan("cumprod", upsweep.asarray(x), x)


def test_errors_of_equal_factors_do_not_add_up():
    x = np.tile(np.float32([1.02372551, 0.976824403]), 2**20)
    y = np.asarray(upsweep.cumprod(upsweep.asarray(x)))
    pair = Fraction(float(x[0])) * Fraction(float(x[1]))
    exact = math.exp(2**20 * math.log1p(float(pair - 1)))
    assert abs(y[-1] - exact) < 0.6 * np.spacing(y[-1])


def test_views_of_long_arrays():
    base = make("log_normal", numpy_dtype("float32"), (6, 5000))
    for view in (base[:, ::-3], base[::-2, 5:].T, base.T[::2], base[2:3].repeat(2, 0)):
        for axis in (None, 0, 1):
            checked_scan("cumprod", upsweep.asarray(view), view, axis=axis)
    stretched = np.broadcast_to(base[0, :1], (30000,))
    checked_scan("cumprod", upsweep.asarray(stretched), stretched)
