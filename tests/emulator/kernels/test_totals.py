"""Totals of chunks, which the host puts together for a carry, against exact
arithmetic."""

from fractions import Fraction
from math import log2

import numpy as np
import pytest
from scans import LOOK_BACK, OPERATORS, Geometry, launch, make_params, memory, table

NUMBER = [
    *((part, "f4") for part in ("re", "re_low", "im", "im_low")),
    ("exponent", "i4"), ("scale", "f4"), ("element", "u4", 2),
]  # fmt: skip
CHUNK = np.dtype([
    ("total", NUMBER), ("prefix", NUMBER),
    ("low", "f4"), ("high", "f4"), ("special", "f4"), ("unused", "u4"),
])  # fmt: skip
GIVES_TOTALS = 2


def totals(engine, op, x, axis, tiles, reverse=False):
    """The ChunkCarries of x, [chunk, line], and the elements of a chunk."""
    kernel, parts = table()[OPERATORS[op], x.dtype.name]
    assert parts == 1
    y = np.empty(x.shape, x.dtype)
    items = engine.tuning.items(x.itemsize)
    geometry = Geometry(tiles=tiles)
    p = make_params(x, y, axis, reverse, True, items, engine.tuning, geometry)
    lines = x.size // x.shape[axis]
    p.gives, p.lines = GIVES_TOTALS, lines
    p.first_out = p.out_start
    p.lines_after = abs(p.length.out_step)
    p.line_block = p.lines_after * x.shape[axis]
    out = np.zeros((p.chunks, lines), CHUNK)
    whole = memory(out)[0]
    buffers = memory(x)[0], whole, whole, whole, whole
    launch(engine, kernel, p, LOOK_BACK, x.itemsize, 0, buffers)
    return out, p.tiles * p.span


def exact(number):
    mantissa = Fraction(float(number["re"])) + Fraction(float(number["re_low"]))
    return mantissa * Fraction(2) ** int(number["exponent"])


def chunks_of(x, axis, size, reverse):
    """The elements of each chunk of each line, in scan order."""
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    if reverse:
        rows = rows[:, ::-1]
    for line, row in enumerate(rows):
        for chunk, begin in enumerate(range(0, row.size, size)):
            yield chunk, line, row[begin : begin + size]


@pytest.mark.parametrize("tiles", [1, 3, 100])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((1999,), 0), ((3, 700), 1), ((900, 5), 0)]
)
def test_products(small_engine, shape, axis, reverse, tiles):
    x = np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)
    found, size = totals(small_engine, "cumprod", x, axis, tiles, reverse)
    for chunk, line, elements in chunks_of(x, axis, size, reverse):
        record, product = found[chunk, line], Fraction(1)
        for element in elements:
            product *= Fraction(float(element))
            exponent = log2(abs(product.numerator)) - log2(product.denominator)
            assert record["low"] <= exponent + 0.01
            assert record["high"] >= exponent - 1.01
        assert abs(exact(record["total"]) / product - 1) < 2.0**-38
        assert record["special"] == (1 if product > 0 else -1)


@pytest.mark.parametrize("tiles", [1, 3])
def test_products_with_special_elements(small_engine, tiles):
    x = np.ones(1000, np.float32)
    x[[100, 700]] = -np.inf, 0
    found, size = totals(small_engine, "cumprod", x, 0, tiles)
    for chunk, line, elements in chunks_of(x, 0, size, False):
        with np.errstate(invalid="ignore"):
            special = np.prod(elements)
        np.testing.assert_equal(found[chunk, line]["special"], special)


@pytest.mark.parametrize("tiles", [1, 3, 100])
def test_sums(small_engine, tiles):
    x = np.random.default_rng(2).normal(0, 1e6, 1999).astype(np.float32)
    found, size = totals(small_engine, "cumsum", x, 0, tiles)
    for chunk, line, elements in chunks_of(x, 0, size, False):
        record, total = found[chunk, line], Fraction(0)
        for element in elements:
            total += Fraction(float(element))
            assert record["low"] <= total <= record["high"]
        scale = float(np.abs(elements).sum(dtype=np.float64))
        assert abs(exact(record["total"]) - total) <= scale * 2.0**-38


@pytest.mark.parametrize("tiles", [1, 3])
def test_maxima(small_engine, tiles):
    x = np.random.default_rng(3).integers(-(2**31), 2**31, (4, 500), np.int32)
    found, size = totals(small_engine, "cummax", x, 1, tiles)
    for chunk, line, elements in chunks_of(x, 1, size, False):
        most = found[chunk, line]["total"]["element"][0]
        assert np.uint32(most).view(np.int32) == elements.max()
