"""The inputs of the sweep: values that depend on little work, laid out as drawn.

Along every axis the values of an input are a section of one periodic row, so that an
input takes a strided copy of that row and no arithmetic. Where products or sums have to
stay near given levels, an element of the row is the step from one level to the next,
and the first element of a line is its level.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.inputs import Array
from bench.sweep_cases import Drawn

PERIOD = 65_521  # elements of a row before it repeats: a prime
ZEROS = 1 / 1000  # of the elements
SPREAD = 0.01  # of products near one, as logarithms to base 2, and of what rises

# Exponents of the smallest normal number and of the largest one.
EXPONENTS = {
    "float16": (-14, 15),
    "bfloat16": (-126, 127),
    "float32": (-126, 127),
    "float64": (-1022, 1023),
    "complex64": (-126, 127),
}
SHORT = ("float16", "bfloat16")


@dataclass(frozen=True)
class Row:
    """A period of the elements, and of those that begin a line if they differ."""

    elements: Array
    starts: Array | None = None
    stretched: bool = False  # repeats elements instead of the period


def row(case: Drawn) -> Row:
    """The row of a case, in the dtype of the case, bfloat16 as float32."""
    rng = np.random.default_rng(case.number)
    if case.dtype == "bool":
        return Row(rng.random(PERIOD) < 0.999)
    if case.dtype not in EXPONENTS:
        return integers(rng, case)
    if case.op == "cumprod" and case.values != "log-normal":
        return factors(rng, case)
    if case.op == "cumsum" and case.values != "log-normal":
        return terms(rng, case)
    noise = rng.standard_normal(PERIOD)
    if case.values == "rising":
        noise = np.sort(noise) + SPREAD * rng.standard_normal(PERIOD)
        return Row(rounded(noise, case), stretched=True)
    if case.values == "log-normal":
        noise = np.exp(noise)
    if case.values == "spread":
        noise *= 100
    return Row(rounded(phased(noise, case), case))


def integers(rng: np.random.Generator, case: Drawn) -> Row:
    """Small ones; small odd ones for products, which then do not end at 0."""
    signed = case.dtype.startswith("int")
    x = rng.integers(-50 if signed else 0, 50, PERIOD)
    if case.values == "odd":
        x = x // 2 * 2 + 1
    if case.values == "rising":
        x = np.sort(x) + rng.integers(0, 2, PERIOD)
    return Row(x.astype(case.dtype), stretched=case.values == "rising")


def factors(rng: np.random.Generator, case: Drawn) -> Row:
    """Factors whose products are at levels, powers of two."""
    least, most = EXPONENTS[case.dtype]
    if case.values == "see-saw":
        level = round(0.785 * most) * np.array([-1.0, 0, 1, 0])
    elif case.values == "overflow":
        level = rng.uniform(most - 6, most - 1, PERIOD)
    elif case.values == "underflow":
        level = rng.uniform(least - 2, least + 4, PERIOD)
    elif case.dtype in SHORT:
        level = rng.integers(-1, 2, PERIOD).astype(np.float64)
    else:
        level = SPREAD * rng.standard_normal(PERIOD)
    if case.dtype in SHORT:  # whose products drift unless they are exact
        level = np.round(level)
    x, starts = np.exp2(level - before(level, case)), np.exp2(level)
    if case.values == "zeros":
        x[rng.random(PERIOD) < ZEROS] = 0
    x, starts = phased(x, case), phased(starts, case)
    return Row(rounded(x, case), rounded(starts, case))


def terms(rng: np.random.Generator, case: Drawn) -> Row:
    """Terms whose sums are at levels."""
    _, most = EXPONENTS[case.dtype]
    if case.values == "see-saw":
        level = 2.0 ** round(0.785 * most) * np.array([-1.0, 0, 1, 0])
    elif case.values == "overflow":
        level = np.exp2(rng.uniform(most - 3, most - 1, PERIOD))
    else:
        level = rng.standard_normal(PERIOD)
    level = phased(level, case)
    return Row(rounded(level - before(level, case), case), rounded(level, case))


def before(level: Array, case: Drawn) -> Array:
    """The level that comes before each in scan order."""
    return np.roll(level, -1 if case.reverse else 1)


def phased(x: Array, case: Drawn) -> Array:
    """The values, of complex ones those with phases one radian apart."""
    turned: Array = x * np.exp(1j * np.arange(len(x)))
    return turned if case.dtype == "complex64" else x


def rounded(x: Array, case: Drawn) -> Array:
    """The values in the dtype."""
    dtype = "float32" if case.dtype == "bfloat16" else case.dtype
    with np.errstate(over="ignore", under="ignore"):
        return x.astype(dtype)


def long_row(case: Drawn) -> int:
    """Elements of the row that all lines are sections of."""
    return sum(case.shape) - len(case.shape) + 1


def numpy_base(case: Drawn) -> Array:
    """The memory of an input."""
    drawn, size = row(case), long_row(case)

    def long(period: Array) -> Array:
        if case.dtype == "bfloat16":
            period = period.astype(importlib.import_module("ml_dtypes").bfloat16)
        if drawn.stretched:
            period = np.repeat(period, -(-size // len(period)))
        return np.resize(period, size)

    strided = np.lib.stride_tricks.as_strided
    elements = long(drawn.elements)
    steps = (elements.itemsize,) * len(case.shape)
    base = np.empty(base_shape(case), elements.dtype)
    x = stored(base, case)
    x[...] = strided(elements, x.shape, steps)
    if drawn.starts is not None:
        first = first_in_line(case)
        lines = x[(slice(None),) * case.axis + (slice(first, first + 1),)]
        lines[...] = strided(long(drawn.starts)[first:], lines.shape, steps)
    return base


def torch_base(torch: Any, case: Drawn, device: str) -> Any:
    """The memory of an input in PyTorch."""
    drawn, size = row(case), long_row(case)
    # PyTorch does little for unsigned integers: they are made as signed ones.
    signed = getattr(torch, case.dtype.removeprefix("u"))

    def long(period: Array) -> Any:
        period = period.view(period.dtype.name.removeprefix("u"))
        t = torch.from_numpy(period).to(device, signed)
        repeats = -(-size // len(period))
        t = t.repeat_interleave(repeats) if drawn.stretched else t.repeat(repeats)
        return t[:size]

    elements = long(drawn.elements)
    base = torch.zeros(base_shape(case), dtype=signed, device=device)
    # PyTorch has no negative strides: a reversed input is reversed afterwards.
    x = base if case.layout == "reversed" else stored(base, case)
    steps = (1,) * x.ndim
    x.copy_(torch.as_strided(elements, x.shape, steps))
    if drawn.starts is not None:
        first = first_in_line(case)
        lines = x.narrow(case.axis, first, 1)
        lines.copy_(torch.as_strided(long(drawn.starts), lines.shape, steps, first))
    if case.layout == "reversed":
        base = base.flip(all_axes(case))
    return base.view(getattr(torch, case.dtype))


def first_in_line(case: Drawn) -> int:
    """The position of the first element in scan order."""
    return case.shape[case.axis] - 1 if case.reverse else 0


def all_axes(case: Drawn) -> tuple[int, ...]:
    """The axes by number."""
    return tuple(range(len(case.shape)))


def base_shape(case: Drawn) -> tuple[int, ...]:
    """The shape of the memory of an input."""
    shape = list(case.shape)
    if case.layout == "transposed":
        shape.reverse()
    elif case.layout == "stride 2":
        shape[-1] *= 2
    elif case.layout == "offset":
        shape = [math.prod(shape) + 1]
    elif case.repeated is not None:
        shape[case.repeated] = 1
    return tuple(shape)


def stored(base: Any, case: Drawn) -> Any:
    """The elements as they lie in the memory of an array of any library."""
    if case.layout == "transposed":
        axes = all_axes(case)[::-1]
        turn = getattr(base, "permute", None) or base.transpose
        return turn(axes)
    if case.layout == "stride 2":
        return base[..., ::2]
    if case.layout == "offset":
        return base[1:].reshape(case.shape)
    if case.layout == "reversed":
        return base[(slice(None, None, -1),) * len(case.shape)]
    return base


def view(base: Any, case: Drawn) -> Any:
    """The input of a scan."""
    x = stored(base, case)
    if case.repeated is None:
        return x
    own = getattr(x, "broadcast_to", None)
    return own(case.shape) if own else np.broadcast_to(x, case.shape)
