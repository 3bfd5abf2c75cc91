"""Scans from bytes: any operator, dtype, layout, axis and direction, checked against
the contract of the numerics page."""

from typing import Any, NamedTuple

import numpy as np
import upsweep
import verdict
from elements import read_filling
from layouts import Layout, read_layout, read_shape
from operands import values_of, view_of
from source import Source
from support import DTYPES, OPS, numpy_dtype

IMPORTS = ["asarray", "directly", "array"]
# The limit for one scan: about two tiles, and quick to judge.
MOST = 70_000
MOST_BYTES = 140_000


class Scan(NamedTuple):
    op: str
    dtype: str
    importer: str
    options: dict[str, Any]
    layout: Layout
    filling: tuple
    data: bytes


def read(data):
    source = Source(data)
    op, dtype = source.pick(OPS), source.pick(DTYPES)
    flags = source.byte()
    ndim = source.byte() % 6
    axis = None if flags & 4 else source.byte() % (2 * ndim + 1) - ndim
    options = {"axis": axis, "reverse": bool(flags & 1), "inclusive": not flags & 2}
    importer = IMPORTS[flags >> 3 & 3 if flags >> 3 & 3 < len(IMPORTS) else 0]
    itemsize = numpy_dtype(dtype).itemsize
    shape = read_shape(source, ndim, min(MOST, MOST_BYTES // itemsize))
    layout = read_layout(source, shape, itemsize)
    filling = read_filling(source, dtype)
    return Scan(op, dtype, importer, options, layout, filling, source.rest())


def one(data):
    scan = read(data)
    memory, view = view_of(scan)
    before = memory.tobytes()
    a = view if scan.importer == "directly" else getattr(upsweep, scan.importer)(view)
    try:
        result = getattr(upsweep, scan.op)(a, **scan.options)
    except IndexError:
        axis = scan.options["axis"]
        assert axis is not None
        assert not -view.ndim <= axis < view.ndim
        return
    y = np.asarray(result)
    verdict.check(scan.op, values_of(view), y, **scan.options)
    assert memory.tobytes() == before, "the input has changed"
