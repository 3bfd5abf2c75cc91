"""cummax and cummin of zeros of both signs: the first of equal elements wins, for any
layout, direction and length."""

import itertools

import numpy as np
import pytest
import upsweep
from support import bits, numpy_dtype, stream_for

FLOATS = ["float16", "bfloat16", "float32", "float64"]
DIRECTIONS = list(itertools.product([False, True], [False, True]))


def first_of_equal(op, x, reverse, inclusive):
    """The scan of rows, by the rule: a later element wins only if it is beyond."""
    sign = 1 if op == "cummax" else -1
    rows = []
    for row in x[:, ::-1] if reverse else x:
        best, out = -sign * np.inf, []
        for value in row.tolist():
            before = best
            if sign * value > sign * best:
                best = value
            out.append(best if inclusive else before)
        rows.append(out)
    y = np.array(rows, np.float64).astype(x.dtype)
    return y[:, ::-1] if reverse else y


def zeros(rng, shape, dtype, density):
    """Zeros of both signs, and numbers of the sign that the scan ignores."""
    x = np.where(rng.random(shape) < 0.5, 0.0, -0.0)
    others = rng.random(shape) > density
    return np.where(others, rng.choice([-1.0, -0.5], shape), x).astype(dtype)


# A row lies along memory, in columns, with steps, or backwards.
LAYOUTS = {
    "rows": lambda x: x,
    "columns": lambda x: np.ascontiguousarray(x.T).T,
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    "upside down": lambda x: np.ascontiguousarray(x[::-1])[::-1],
}


@pytest.mark.parametrize("op", ["cummax", "cummin"])
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    "shape", [(1, 511), (1, 4099), (1, 2**16 + 1), (3, 1024), (20, 700), (70, 130)]
)
def test_the_first_of_equal_elements(op, name, shape):
    rng = np.random.default_rng(shape[1])
    for density in (1.0, 0.5, 0.01):
        x = zeros(rng, shape, numpy_dtype(name), density)
        if op == "cummin":
            x = -x
        for reverse, inclusive in DIRECTIONS:
            options = {"reverse": reverse, "inclusive": inclusive}
            expected = bits(first_of_equal(op, x, **options))
            for layout in LAYOUTS.values():
                a = upsweep.asarray(layout(x))
                y = getattr(upsweep, op)(a, 1, stream=stream_for(name), **options)
                assert np.array_equal(bits(np.asarray(y)), expected)


@pytest.mark.parametrize("op", ["cummax", "cummin"])
@pytest.mark.parametrize("place", [0, 1, 15, 16, 17, 63, 64, 500, 1022])
def test_one_zero_of_the_other_sign(op, place):
    for filler, other in ((0.0, -0.0), (-0.0, 0.0)):
        x = np.full((1, 1024), filler, np.float32)
        x[0, place] = other
        for reverse in (False, True):
            y = getattr(upsweep, op)(x[0], reverse=reverse)
            expected = first_of_equal(op, x, reverse, True)[0]
            assert np.array_equal(bits(np.asarray(y)), bits(expected))


@pytest.mark.parametrize("op", ["cummax", "cummin"])
def test_complex_numbers(op):
    rng = np.random.default_rng(0)
    parts = np.where(rng.random((2, 3, 900)) < 0.5, np.float32(0), np.float32(-0.0))
    x = np.empty(parts.shape[1:], np.complex64)
    x.real, x.imag = parts
    expected = np.repeat(x[:, :1], x.shape[1], axis=1)
    for layout in LAYOUTS.values():
        y = np.asarray(getattr(upsweep, op)(layout(x), 1))
        # The identity is beyond, so the first element wins, and stays.
        assert np.array_equal(bits(y.view(np.float32)), bits(expected.view(np.float32)))
