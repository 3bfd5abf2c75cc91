"""Draws the cases of the sweep from a seed.

Case number k of a seed is the same in every run: it depends on nothing but the seed, k
and the limits of the size.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench.cases import ITEM_SIZES

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

OPS = {"cumprod": 8, "cumsum": 4, "cummax": 2, "cummin": 2, "logcumsumexp": 2}
DTYPES = {
    "float32": 12,
    **dict.fromkeys(("float64", "float16", "bfloat16", "complex64"), 4),
    **dict.fromkeys(("int8", "int32", "int64"), 2),
    **dict.fromkeys(("bool", "int16", "uint8", "uint16", "uint32", "uint64"), 1),
}
LAYOUTS = {
    "contiguous": 6,
    **dict.fromkeys(("transposed", "stride 2", "reversed", "offset"), 2),
    "broadcast": 1,
}
RANKS = {1: 3, 2: 4, 3: 3, 4: 2}
EXTENTS = {"any": 4, "prime": 2, "power": 2, "beside a power": 2}

FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64")
# Values that floats get, the most frequent first; other dtypes have fewer.
VALUES = {
    "cumprod": ("near one", "log-normal", "see-saw", "overflow", "underflow", "zeros"),
    "cumsum": ("balanced", "log-normal", "see-saw", "overflow"),
    "cummax": ("random", "rising"),
    "cummin": ("random", "rising"),
    "logcumsumexp": ("random", "rising", "spread"),
}


@dataclass(frozen=True)
class Limits:
    """Bytes of the smallest and the largest input. A share of the inputs is at least
    as large as the mark. Some devices lack a dtype."""

    least: int
    most: int
    mark: int
    share: float
    lacks: tuple[str, ...] = ()


LIMITS = {
    "cpu": Limits(KIB, 256 * MIB, MIB, 0.5),
    "gpu": Limits(4 * KIB, GIB, 16 * MIB, 0.75, ("float64",)),
}
QUICK = Limits(KIB, 64 * KIB, 16 * KIB, 0.5)


@dataclass(frozen=True)
class Drawn:
    """One scan of one input."""

    number: int
    op: str
    dtype: str
    shape: tuple[int, ...]
    axis: int
    reverse: bool
    inclusive: bool
    layout: str
    values: str

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; a broadcast input takes fewer."""
        return self.size * ITEM_SIZES[self.dtype]

    @property
    def result_dtype(self) -> str:
        """The dtype of the result."""
        if self.op == "cumsum" and self.dtype == "bool":
            return "int32"
        if self.op == "logcumsumexp" and self.dtype not in FLOATS:
            return "float32"
        return self.dtype

    @property
    def repeated(self) -> int | None:
        """The axis that a broadcast input repeats: the longest that is not scanned."""
        if self.layout != "broadcast":
            return None
        others = (k for k in range(len(self.shape)) if k != self.axis)
        return max(others, key=lambda k: self.shape[k])

    def described(self) -> dict[str, Any]:
        """The case as data."""
        moved = self.size * ITEM_SIZES[self.result_dtype] + self.nbytes
        return asdict(self) | {"nbytes": self.nbytes, "bytes_moved": moved}


def drawn(seed: int, limits: Limits) -> Iterator[Drawn]:
    """All cases of a seed, without end."""
    number = 0
    while True:
        # Numbers from a text stay the same in all versions of Python.
        yield draw(random.Random(f"{seed} {number}"), number, limits)
        number += 1


def draw(rng: random.Random, number: int, limits: Limits) -> Drawn:
    """A case."""
    op = chosen(rng, OPS)
    dtype = chosen(rng, {k: v for k, v in DTYPES.items() if k not in limits.lacks})
    shape = draw_shape(rng, limits, ITEM_SIZES[dtype])
    axis = rng.randrange(len(shape))
    others = math.prod(shape) // shape[axis]
    possible = {
        layout: weight
        for layout, weight in LAYOUTS.items()
        if not (layout == "transposed" and len(shape) == 1)
        and not (layout == "broadcast" and others == 1)
    }
    return Drawn(
        number=number,
        op=op,
        dtype=dtype,
        shape=shape,
        axis=axis,
        reverse=rng.random() < 1 / 3,
        inclusive=rng.random() > 1 / 3,
        layout=chosen(rng, possible),
        values=draw_values(rng, values(op, dtype)),
    )


def chosen(rng: random.Random, weights: dict[Any, int]) -> Any:
    """A key, by weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def draw_values(rng: random.Random, of: tuple[str, ...]) -> str:
    """One of these; the first counts three times."""
    return rng.choice((of[0], of[0], *of))


def values(op: str, dtype: str) -> tuple[str, ...]:
    """The kinds of values for an operator and a dtype."""
    if dtype in FLOATS:
        return VALUES[op]
    if dtype != "bool" and op == "cumprod":
        return ("odd",)
    if dtype != "bool" and op in ("cummax", "cummin"):
        return VALUES[op]
    return ("random",)


def draw_shape(rng: random.Random, limits: Limits, item_size: int) -> tuple[int, ...]:
    """A shape within the limits, drawn again until it is."""
    large = rng.random() < limits.share
    least = limits.mark if large else limits.least
    most = limits.most if large else limits.mark
    rank = chosen(rng, RANKS)
    while True:
        nbytes = least * (most / least) ** rng.random()
        shape = split(rng, nbytes / item_size, rank)
        if least <= math.prod(shape) * item_size <= most:
            return shape


def split(rng: random.Random, size: float, rank: int) -> tuple[int, ...]:
    """Log-uniform extents of about so many elements. The longest one makes up for what
    rounding has changed in the others."""
    cuts = [0.0, *sorted(rng.random() for _ in range(rank - 1)), 1.0]
    extents = [rounded(rng, size ** (cuts[k + 1] - cuts[k])) for k in range(rank)]
    longest = extents.index(max(extents))
    extents[longest] = rounded(rng, size / math.prod(extents) * extents[longest])
    return tuple(extents)


def rounded(rng: random.Random, extent: float) -> int:
    """A whole extent nearby: any, a prime, a power of two, or one beside a power."""
    form = chosen(rng, EXTENTS)
    if form == "any":
        return max(1, round(extent))
    if form == "prime":
        return prime(max(2, round(extent)))
    power = 1 << max(0, round(math.log2(max(extent, 1))))
    return power if form == "power" else max(1, power + rng.choice((-1, 1)))


def prime(most: int) -> int:
    """The largest prime up to a number above 1."""
    return next(
        n
        for n in range(most, 1, -1)
        if all(n % divisor for divisor in range(2, math.isqrt(n) + 1))
    )
