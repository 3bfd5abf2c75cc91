"""How many results of a scan of chunks are wrong, by exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

from bench import inputs, oracle
from bench.inputs import Array

WHOLE = "NumPy, unchunked"
DECADES = 26  # the walk stays within 1e-26 and 1e26
# A product rounds to infinity or zero in float32 from here on.
INFINITE, ZERO = 2.0**128 - 2.0**103, 2.0**-150


def lines(size: int) -> dict[str, Array]:
    """Positive float32 factors on which products of chunks go wrong."""
    rng = np.random.default_rng(2026)
    # A random walk, reflected at both ends.
    steps = np.cumsum(rng.normal(0, 0.5, size))
    walk = np.abs((steps + DECADES) % (4 * DECADES) - 2 * DECADES) - DECADES
    # Leaves the range in the middle; the next factor would take it back.
    leaving = np.exp(inputs.SPREAD * rng.standard_normal(size))
    leaving[size // 4] = leaving[size // 2] = 1e30
    leaving[size // 2 + 1] = 1e-30
    values = {
        "see-saw": np.resize(inputs.SEE_SAW, size),
        "random walk": 10 ** np.diff(walk, prepend=0),
        "log-normal": np.exp(rng.standard_normal(size)),
        "exit": leaving,
    }
    return {name: x.astype(np.float32) for name, x in values.items()}


class Expected:
    """What the results of a line of positive factors have to be. A product that has
    left the range stays out, as in a loop."""

    def __init__(self, x: Array) -> None:
        with np.errstate(over="ignore", under="ignore"):
            self.exact = oracle.products(x, "float32", stride=1)
        size = self.exact.high
        self.out = np.logical_or.accumulate((size >= INFINITE) | (size <= ZERO))
        self.limit = np.inf if size[self.out.argmax()] > 1 else 0.0

    def wrong(self, y: Array) -> dict[str, int]:
        """The number of results that are off by more than an ulp, by more than a
        hundredth, or NaN. Wrong infinities and zeros count as both."""
        with np.errstate(all="ignore"):
            relative = np.abs(y.astype(np.float64) / self.exact.high - 1)
        within_ulp = np.where(
            self.out, y == self.limit, self.exact.errors(y, "float32") <= 1
        )
        # An ulp of a subnormal number is more than a hundredth.
        within_hundredth = within_ulp | (~self.out & (relative <= 0.01))
        return {
            "ulp": int((~within_ulp).sum()),
            "hundredth": int((~within_hundredth).sum()),
            "nan": int(np.isnan(y).sum()),
        }


def counts(
    scans: dict[str, Callable[[Any], Any]], size: int, chunk: int
) -> list[dict[str, Any]]:
    """The wrong results of scans of each line in chunks of that size, and of NumPy's
    loop over the whole line."""

    def chunked(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
        # NumPy's warnings are silenced in this thread only.
        return lambda x: function(da.from_array(x, chunks=chunk)).compute(
            scheduler="synchronous"
        )

    calls = {name: chunked(function) for name, function in scans.items()}
    calls[WHOLE] = np.cumprod
    rows = []
    for name, x in lines(size).items():
        expected = Expected(x)
        with np.errstate(all="ignore"):
            results = {scan: expected.wrong(call(x)) for scan, call in calls.items()}
        rows.append({"line": name, "results": results})
    return rows
