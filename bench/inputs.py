"""Seeded inputs whose results stay in the range of their dtype.

bfloat16, which NumPy lacks, is held as float32 values that it represents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.cases import Case

Array = npt.NDArray[Any]

SPREAD = 0.01  # of the logarithms of the factors
BLOCK = 4096  # factors are drawn in blocks
SEE_SAW = (1e-30, 1e30, 1e30, 1e-30)


def make(case: Case) -> Array:
    """The input of a case."""
    rng = np.random.default_rng(2026)
    outer, length, inner = case.lines
    if case.values == "near one":
        return near_one(rng, case.dtype, outer, length, inner).reshape(case.shape)
    if case.values == "see-saw":
        return np.resize(np.array(SEE_SAW, case.dtype), case.shape)
    if case.values == "odd":
        odd: Array = rng.integers(-(2**30), 2**30, case.shape, case.dtype) * 2 + 1
        return odd
    if case.values == "rising":
        rising: Array = rng.integers(0, 2**20, case.shape, case.dtype)
        rising += np.linspace(0, 2**30, length).astype(case.dtype)
        return rising
    return rng.random(case.shape)


def near_one(
    rng: np.random.Generator, dtype: str, outer: int, length: int, inner: int
) -> Array:
    """Factors whose products along the middle axis stay between about 1/50 and 50.

    Each block has two draws, reciprocals of each other up to rounding; each line uses
    the one that brings its product back towards 1.
    """
    kind = np.float64 if dtype == "float64" else np.float32
    x = np.empty((outer, length, inner), "f4" if dtype == "bfloat16" else dtype)
    level = np.zeros((outer, inner))
    for start in range(0, length, BLOCK):
        part = x[:, start : start + BLOCK]
        noise = kind(SPREAD) * rng.standard_normal(part.shape, kind)
        up, down = rounded(np.exp(noise), dtype), rounded(np.exp(-noise), dtype)
        rise = np.log(up).sum(1, np.float64)
        fall = np.log(down).sum(1, np.float64)
        take_up = np.abs(level + rise) <= np.abs(level + fall)
        part[...] = np.where(take_up[:, None], up, down)
        level += np.where(take_up, rise, fall)
    return x


def rounded(x: Array, dtype: str) -> Array:
    """Values that the dtype represents, in the dtype they come in."""
    if dtype != "bfloat16":
        return x.astype(dtype).astype(x.dtype)
    bits: Array = (x.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32)
