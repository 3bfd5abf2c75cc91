"""Axes of stride 0, which repeat one element: in every position, over lengths of
several tiles."""

import itertools

import numpy as np
import oracle
import pytest
import upsweep
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, OPS, bits, checked_scan, numpy_dtype, stream_for
from values import kinds, make

DIRECTIONS = list(itertools.product([False, True], [False, True]))


def checked_repeats(op, base, shape, axis, reverse, inclusive):
    """Scans base, broadcast to the shape, and checks some distinct lines against the
    oracle; equal lines must give equal bits."""
    x = np.broadcast_to(base, shape)
    dtype = "bool_" if x.dtype == bool else x.dtype.name
    result = getattr(upsweep, op)(
        upsweep.asarray(x), axis, reverse=reverse, inclusive=inclusive,
        stream=stream_for(dtype),
    )  # fmt: skip
    y = np.asarray(result)
    assert y.shape == x.shape
    if x.size == 0:
        return
    once = tuple(
        slice(0, 1) if n == 1 and i != axis else slice(None)
        for i, n in enumerate(base.shape)
    )
    assert np.array_equal(bits(y), bits(np.broadcast_to(y[once], shape)))
    x, y = (np.moveaxis(a[once], axis, -1).reshape(-1, shape[axis]) for a in (x, y))
    most = 1 if op == "logcumsumexp" else 3  # its oracle is slow
    for line in np.linspace(0, len(x) - 1, most).astype(int):
        oracle.check(op, x[line], y[line], reverse=reverse, inclusive=inclusive)


# The scanned axis itself, its neighbours, or both are repeated. Rows are as wide
# as a panel and one column more, or just wide enough for lanes, so that some
# hundred rows are several tiles.
def places(itemsize):
    wide, lanes = 1024 // itemsize + 1, 64 // itemsize + 1
    return [
        ((1, wide), (197, wide), 0),
        ((197, 1), (197, wide), 0),
        ((1, 1), (197, wide), 0),
        ((lanes, 1), (lanes, 1201), 1),
        ((3, 1, lanes), (3, 700, lanes), 1),
        ((1, 300, 1), (3, 300, lanes), 1),
    ]


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", DTYPES)
def test_every_place_and_direction(op, name):
    dtype = numpy_dtype(name)
    for number, (base, shape, axis) in enumerate(places(dtype.itemsize)):
        kind = list(kinds(dtype))[number % len(kinds(dtype))]
        if (op, kind) == ("logcumsumexp", "complex_specials"):
            kind = (
                "turning"  # with infinities the contract leaves its imaginary part open
            )
        x = make(kind, dtype, base, seed=number)
        for reverse, inclusive in DIRECTIONS:
            checked_repeats(op, x, shape, axis, reverse, inclusive)


# A single line is cut into tiles of 64 KiB. The oracle of logcumsumexp is slow.
@pytest.mark.parametrize("op", [op for op in OPS if op != "logcumsumexp"])
@pytest.mark.parametrize("name", ["uint8", "float16", "float32", "int64", "complex64"])
def test_one_long_line_of_one_element(op, name):
    dtype = numpy_dtype(name)
    x = np.broadcast_to(make(next(iter(kinds(dtype))), dtype, (1,)), (40_000,))
    for a in (x, upsweep.broadcast_to(upsweep.asarray(x[:1]), x.shape)):
        checked_scan(op, a, x, axis=0)


@st.composite
def repeats(draw):
    """A base, the shape it is broadcast to, and an axis."""
    ndim = draw(st.integers(1, 4))
    shape, base = [], []
    for _ in range(ndim):
        is_repeated = draw(st.booleans())
        most = 400 if is_repeated else 24
        shape.append(draw(st.integers(0, most)))
        base.append(1 if is_repeated else shape[-1])
    while np.prod(shape) > 60_000:
        longest = int(np.argmax(shape))
        shape[longest] = shape[longest] // 2
        base[longest] = min(base[longest], shape[longest])
    base = [1 if b == 1 else n for b, n in zip(base, shape, strict=True)]
    return tuple(base), tuple(shape), draw(st.integers(0, ndim - 1))


@pytest.mark.parametrize("op", OPS)
@given(data=st.data())
def test_any_axes_repeated(op, data):
    dtype = numpy_dtype(data.draw(st.sampled_from(DTYPES)))
    base, shape, axis = data.draw(repeats())
    kind = data.draw(st.sampled_from(sorted(kinds(dtype))))
    if (op, kind) == ("logcumsumexp", "complex_specials"):
        kind = "turning"
    x = make(kind, dtype, base, seed=data.draw(st.integers(0, 9)))
    reverse, inclusive = data.draw(st.sampled_from(DIRECTIONS))
    checked_repeats(op, x, shape, axis, reverse, inclusive)
