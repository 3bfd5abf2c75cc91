"""Errors in ulp against exact arithmetic on Python integers.

A float is an integer times a power of two, so a running product is one too. It is cut
to KEEP bits after each step, which changes it by less than 2^-254 of itself: negligible
for any length that fits in memory. Long lines are checked at every STRIDE-th element.
Inputs and exact results must be finite, non-zero and in the range of the dtype, as
those of the benchmark are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.cases import Case
from bench.inputs import Array

KEEP = 256
STRIDE = 64
LONG = 1 << 13
CHECKED = 1 << 18  # elements of short lines
CHUNK = 1 << 20

# Bits of a significand, and the exponent of the smallest normal number.
FORMATS = {
    "float16": (11, -14),
    "bfloat16": (8, -126),
    "float32": (24, -126),
    "float64": (53, -1022),
}


@dataclass(frozen=True)
class Samples:
    """Exact results high + low at every stride-th element of a line."""

    stride: int
    high: Array
    low: Array

    def errors(self, ys: Array, dtype: str) -> Array:
        """The errors of the results ys of the line, in ulp."""
        precision, smallest = FORMATS[dtype]
        y = ys[self.stride - 1 :: self.stride].astype(np.float64)
        _, exponent = np.frexp(self.high)  # of a significand in [1/2, 1)
        ulp = np.ldexp(1.0, np.maximum(exponent - 1, smallest) - precision + 1)
        with np.errstate(all="ignore"):
            errors: Array = np.abs((y - self.high) - self.low) / ulp
        return errors

    def worst(self, ys: Array, dtype: str) -> float:
        """The largest error of the results ys of the line, in ulp."""
        errors = self.errors(ys, dtype)
        return float(errors.max(initial=0)) if np.isfinite(errors).all() else math.inf


def products(xs: Array, dtype: str, stride: int | None = None) -> Samples:
    """Samples of the running products of a line of floats."""
    if stride is None:
        stride = STRIDE if len(xs) >= LONG else 1
    running, exponent = 1, 0
    highs, lows, exponents = [], [], []
    for factors, power in blocks(xs, dtype, stride):
        running *= math.prod(factors)
        excess = max(running.bit_length() - KEEP, 0)
        running >>= excess
        exponent += power + excess
        high, low = leading(running)
        highs.append(high)
        lows.append(low)
        exponents.append(exponent)
    scale = np.array(exponents, int)
    return Samples(stride, np.ldexp(highs, scale), np.ldexp(lows, scale))


def blocks(xs: Array, dtype: str, stride: int) -> Iterator[tuple[list[int], int]]:
    """Integers and an exponent for every stride elements.

    Multiplies neighbours while that is exact in 64 bits.
    """
    for start in range(0, len(xs), CHUNK):
        part = xs[start : start + CHUNK]
        part = part[: len(part) // stride * stride].astype(np.float64)
        fractions, exponents = np.frexp(part)
        bits = FORMATS[dtype][0]
        factors = np.ldexp(fractions, bits).astype(np.int64).reshape(-1, stride)
        powers = (exponents - bits).reshape(-1, stride).sum(1)
        while factors.shape[1] % 2 == 0 and 2 * bits < 63:
            factors, bits = factors[:, ::2] * factors[:, 1::2], 2 * bits
        yield from zip(factors.tolist(), powers.tolist(), strict=True)


def sums(xs: Array) -> Samples:
    """Samples of the running sums of float64 multiples of 2^-53 in [0, 1)."""
    stride = STRIDE if len(xs) >= LONG else 1
    units = np.ldexp(xs[: len(xs) // stride * stride], 53).astype(np.int64)
    if not np.array_equal(np.ldexp(units.astype(float), -53), xs[: len(units)]):
        raise ValueError("The input of a sum has to be multiples of 2^-53.")
    running, highs, lows = 0, [], []
    for total in units.reshape(-1, stride).sum(1).tolist():
        running += total
        high, low = leading(running)
        highs.append(high)
        lows.append(low)
    return Samples(stride, np.ldexp(highs, -53), np.ldexp(lows, -53))


def leading(n: int) -> tuple[float, float]:
    """Two floats whose sum is n to within 2^-106 of it."""
    high = float(n)
    return high, float(n - int(high))


class Oracle:
    """The exact results of a case, as far as they are checked."""

    def __init__(self, case: Case, x: Array) -> None:
        self.case = case
        self.samples: dict[int, Samples] = {}
        self.integers: Array | None = None
        if case.dtype not in FORMATS:
            ufunc = np.multiply if case.op == "cumprod" else np.maximum
            self.integers = ufunc.accumulate(x, case.axis, x.dtype)
            return
        lines = self.lines(x)
        count = min(len(lines), max(8, CHECKED // max(lines.shape[1], 1)))
        for index in np.linspace(0, len(lines) - 1, count, dtype=int).tolist():
            line = self.in_scan_order(lines[index])
            line = line if case.inclusive else line[:-1]
            self.samples[index] = (
                sums(line) if case.op == "cumsum" else products(line, case.dtype)
            )

    def lines(self, values: Array) -> Array:
        """All lines of an array of the shape of the case."""
        _, length, _ = self.case.lines
        moved = np.moveaxis(values.reshape(self.case.lines), 1, 2)
        return moved.reshape(-1, length)

    def in_scan_order(self, line: Array) -> Array:
        """The line as the scan walks along it."""
        return line[::-1] if self.case.reverse else line

    def worst(self, y: Array) -> float | None:
        """The largest error of results in ulp; None if some are NaN where the exact
        ones are not, or are wrong integers."""
        if self.integers is not None:
            return 0.0 if np.array_equal(y, self.integers) else None
        lines, worst = self.lines(y), 0.0
        for index, samples in self.samples.items():
            ys = self.in_scan_order(lines[index])
            # An exclusive result is the inclusive one of the element before.
            ys = ys if self.case.inclusive else ys[1:]
            ys = ys[: len(samples.high) * samples.stride]
            worst = max(worst, samples.worst(ys, self.case.dtype))
        return worst if math.isfinite(worst) else None
