"""The scans of Dask arrays that chunked.py compares, and the array that they scan."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import upsweep.dask

from bench.inputs import Array

Scan = Callable[[Any], Any]

YARDSTICK = "no scan"
SCANS: dict[str, Scan] = {
    "upsweep": lambda x: upsweep.dask.cumprod(x, 0),
    "Dask, sequential": lambda x: da.cumprod(x, 0, method="sequential"),
    "Dask, Blelloch": lambda x: da.cumprod(x, 0, method="blelloch"),
}
ALL: dict[str, Scan] = {YARDSTICK: lambda x: x, **SCANS}

SPREAD = 1e-4  # of the factors; their products stay in the range for 10^10 of them
BLOCK = 1 << 15  # elements at once, to stay in the cache
GOLDEN = 2654435769  # 2^32 over the golden ratio
MULTIPLES = np.arange(BLOCK, dtype=np.uint32) * np.uint32(GOLDEN)

_serial = itertools.count()


def factors(begin: int, size: int) -> Array:
    """A part of an endless line of float32 factors near 1. Multiples of the golden
    ratio modulo 1 spread so evenly that their products hardly drift."""
    x = np.empty(size, np.float32)
    for start in range(0, size, BLOCK):
        part = x[start : start + BLOCK]
        first = np.uint32((begin + start) * GOLDEN % 2**32)
        part[...] = (MULTIPLES[: part.size] + first).view(np.int32)
        part *= np.float32(SPREAD / 2**31)
        part += np.float32(1)
    return x


def line(elements: int, chunks: int) -> Any:
    """The factors as a Dask array that makes each chunk when it is needed."""
    edges = np.linspace(0, elements, chunks + 1, dtype=int).tolist()
    sizes = tuple(end - begin for begin, end in itertools.pairwise(edges))
    # A new name each time: no scheduler takes a result from an earlier run.
    name = f"factors-{next(_serial)}"
    graph = {
        (name, i): (factors, begin, size)
        for i, (begin, size) in enumerate(zip(edges, sizes, strict=False))
    }
    return da.Array(graph, name, (sizes,), dtype=np.float32)


def largest(scan: str, elements: int, chunks: int) -> Any:
    """The largest result of a scan, a lazy number: results need no room."""
    return ALL[scan](line(elements, chunks)).max()
