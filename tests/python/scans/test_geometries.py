"""Geometries that fill no register on their own: short lines, few columns, extents that
are no multiple of the lanes, and inputs with gaps."""

import itertools

import numpy as np
import pytest
import upsweep
from support import DTYPES, OPS, checked_general_scan, checked_scan, numpy_dtype
from values import kinds, make
from views import apply

# logcumsumexp computes as the others do, and its oracle is slow.
FAST = [op for op in OPS if op != "logcumsumexp"]
FLAGS = [
    {"reverse": reverse, "inclusive": inclusive}
    for reverse in (False, True)
    for inclusive in (True, False)
]
# Ordinary values and those that leave the range, by the kind of a dtype.
KINDS = {
    "near_one",
    "specials",
    "exits",
    "odd_numbers",
    "any_bits",
    "truths",
    "turning",
}


def check(op, name, shape, axis, number, steps=()):
    """Scans a view; numbers in a row take all kinds of values and flags in turn."""
    dtype = numpy_dtype(name)
    chosen = sorted(KINDS & set(kinds(dtype)) or kinds(dtype))
    x = make(chosen[number % len(chosen)], dtype, shape, number)
    view = apply(np, x, steps)
    a = apply(upsweep, upsweep.asarray(x), steps)
    checked_scan(op, a, view, axis=axis, **FLAGS[number // len(chosen) % 4])


@pytest.mark.parametrize("name", DTYPES)
def test_short_lines(name):
    """Extents around those of registers, with 1 to 9 neighbours."""
    extents = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65]
    cases = itertools.product(extents, range(1, 10))
    for number, (extent, inner) in enumerate(cases):
        for op in ("cumprod", FAST[1 + number % 3]):
            slabs = [8, 17, 37, 70][number % 4]
            check(op, name, (slabs, extent, inner), 1, number)


@pytest.mark.parametrize("name", DTYPES)
def test_many_short_lines(name):
    """More slabs than a panel has."""
    for number, shape in enumerate([(3001, 2), (2049, 3), (1100, 2, 2), (700, 5, 3)]):
        check("cumprod", name, shape, 1, number)
        check("cumsum", name, shape, 1, number + 1)


@pytest.mark.parametrize("name", DTYPES)
def test_few_columns(name):
    """Beside an axis of several tiles, and of a tile and some rows."""
    for number, inner in enumerate([2, 3, 4, 5, 7, 8, 9, 13, 15]):
        op = FAST[number % 4]
        check(op, name, (2000 + 61 * number, inner), 0, number)
    for number, (outer, inner) in enumerate([(1, 2), (3, 3), (1, 7)]):
        check("cumprod", name, (outer, 40_001 // inner, inner), 1, number)


@pytest.mark.parametrize("name", DTYPES)
def test_columns_that_leave_lanes(name):
    """One register and some lanes, and one panel and some lines."""
    for number, inner in enumerate([16, 17, 23, 31, 33, 130, 257, 513, 1027]):
        for op in ("cumprod", FAST[1 + number % 3]):
            check(op, name, (75, inner), 0, number)
    check("cumprod", name, (2, 1501, 17), 1, 2)
    # As many whole registers as fit all panels, and a lane.
    check("cumsum", name, (5, 4065), 0, 1)


GAPS = {
    "every second element": [
        ("slice", (slice(None), slice(None), slice(None, None, 2)))
    ],
    "every second row": [("slice", (slice(None), slice(None, None, 2)))],
    "backwards": [("slice", (slice(None, None, -1),) * 3)],
    "every third backwards": [
        ("slice", (slice(None), slice(None), slice(None, None, -3)))
    ],
    "transposed": [("transpose", (2, 1, 0))],
    "turned": [("transpose", (1, 2, 0))],
    "swapped": [("transpose", (0, 2, 1))],
}
BASES = [(6, 7, 40), (40, 6, 7), (33, 34, 35), (2, 1500, 6), (1400, 4, 3), (3, 2, 2900)]


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("name", ["int8", "float16", "int32", "float64", "complex64"])
def test_inputs_with_gaps(name, gaps):
    for number, (shape, axis) in enumerate(itertools.product(BASES, range(3))):
        check(FAST[number % 4], name, shape, axis, number, GAPS[gaps])


@pytest.mark.parametrize("name", ["bool_", "uint16", "bfloat16", "float32", "int64"])
def test_inputs_that_repeat(name):
    """A step of 0 along each axis, scanned and not."""
    for number, shape in enumerate([(1, 9, 33), (20, 1, 3), (9, 700, 1), (1, 2, 600)]):
        wide = tuple(19 if n == 1 else n for n in shape)
        for axis in range(3):
            check("cumprod", name, shape, axis, number, [("broadcast", wide)])


@pytest.mark.parametrize(
    "name", ["int8", "bfloat16", "float32", "float64", "complex64"]
)
def test_with_initial_values(name):
    """Carries that start lines, and results with room for them."""
    shapes = [
        ((50, 3, 2), 1),
        ((500, 2), 1),
        ((9, 65), 1),
        ((3000, 3), 0),
        ((40, 33), 0),
    ]
    for number, (shape, axis) in enumerate(shapes):
        dtype = numpy_dtype(name)
        x = make(
            "odd_numbers" if dtype.kind == "i" else sorted(kinds(dtype))[0],
            dtype,
            shape,
            number,
        )
        lines = shape[:axis] + shape[axis + 1 :]
        before = (np.arange(np.prod(lines)).reshape(lines) % 3 + 1).astype(dtype)
        for reverse in (False, True):
            checked_general_scan(
                "prod",
                upsweep.asarray(x),
                x,
                axis=axis,
                initial=before,
                before=before,
                reverse=reverse,
                include_initial=number % 2 == 0,
            )
