"""What is measured: the cases and their targets."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

ITEM_SIZES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("float32", "int32", "uint32"), 4),
    **dict.fromkeys(("float64", "complex64", "int64", "uint64"), 8),
}
QUICK_SIZE = 1 << 14
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Target:
    """At most this multiple of the time of a yardstick."""

    limit: float
    of: str


@dataclass(frozen=True)
class Case:
    """One scan of one input, on as many threads as the other cases unless it says
    so."""

    id: str
    shape: tuple[int, ...]
    target: Target
    axis: int = 0
    dtype: str = "float32"
    op: str = "cumprod"
    reverse: bool = False
    inclusive: bool = True
    values: str = "near one"
    threads: int | None = None
    charted: bool = False

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the input, and of the result."""
        return self.size * ITEM_SIZES[self.dtype]

    @property
    def lines(self) -> tuple[int, int, int]:
        """The shape as outer, length, inner."""
        before, after = self.shape[: self.axis], self.shape[self.axis + 1 :]
        return math.prod(before), self.shape[self.axis], math.prod(after)

    @property
    def title(self) -> str:
        """The case's name for readers."""
        words = [self.dtype if self.op == "cumprod" else f"{self.op} {self.dtype}"]
        if len(self.shape) == 1:
            words.append(extent(self.shape[0]))
        else:
            words.append(f"({', '.join(map(extent, self.shape))})")
            words.append(f"axis {self.axis}")
        if self.reverse:
            words.append("reverse")
        if not self.inclusive:
            words.append("exclusive")
        if self.values in ("see-saw", "log-normal"):
            words.append(self.values)
        if self.threads:
            words.append(f"{self.threads} thread" + "s" * (self.threads > 1))
        return ", ".join(words)

    def described(self) -> dict[str, Any]:
        """The case as data."""
        return asdict(self) | {"title": self.title, "bytes_moved": 2 * self.nbytes}


def extent(n: int) -> str:
    """A length for readers, with large powers of two as such."""
    if n >= 1 << 14 and n & (n - 1) == 0:
        return "2" + str(n.bit_length() - 1).translate(SUPERSCRIPTS)
    return str(n)


def near_copy(limit: float) -> Target:
    """A multiple of a copy, because a scan reads and writes once."""
    return Target(limit, "copy")


SQUARE = (4096, 4096)
TALL = (1 << 20, 16)

CASES = (
    Case("row", (1 << 26,), near_copy(1.35), charted=True),
    Case("row-float64", (1 << 25,), near_copy(1.35), dtype="float64", charted=True),
    Case(
        "row-int32",
        (1 << 26,),
        near_copy(1.35),
        dtype="int32",
        values="odd",
    ),
    Case("row-float16", (1 << 26,), near_copy(2), dtype="float16", charted=True),
    Case("row-bfloat16", (1 << 26,), near_copy(2), dtype="bfloat16"),
    Case("square-axis1", SQUARE, near_copy(1.35), axis=1, charted=True),
    Case("square-axis1-reverse", SQUARE, near_copy(1.35), axis=1, reverse=True),
    Case("square-axis1-exclusive", SQUARE, near_copy(1.35), axis=1, inclusive=False),
    Case("square-axis0", SQUARE, near_copy(1.35), charted=True),
    Case("square-axis0-reverse", SQUARE, near_copy(1.35), reverse=True),
    Case("square-axis0-exclusive", SQUARE, near_copy(1.35), inclusive=False),
    Case("tall-axis1", TALL, near_copy(1.5), axis=1),
    Case("tall-axis0", TALL, near_copy(1.5), charted=True),
    Case("wide-axis1", (16, 1 << 20), near_copy(1.5), axis=1),
    Case("middle-axis", (64, 1024, 256), near_copy(1.5), axis=1, charted=True),
    Case(
        "cumsum-float64",
        (1 << 25,),
        near_copy(1.5),
        op="cumsum",
        dtype="float64",
        values="uniform",
        charted=True,
    ),
    Case(
        "cummax-int32",
        (1 << 25,),
        near_copy(1.5),
        op="cummax",
        dtype="int32",
        values="rising",
    ),
    Case("see-saw", (1 << 24,), near_copy(1.5), values="see-saw"),
    Case("in-cache", (1 << 16,), Target(1 / 3, "C loop"), threads=1),
    Case("short", (1024,), Target(1 / 4, "NumPy")),
    Case("single", (1,), Target(1, "NumPy")),
)

FLAT = (4096, 16384)
HIGH = (1 << 22, 16)
ROW = 1 << 28
# For the same number of bytes as float32.
OTHER_DTYPES = near_copy(1.3 * 1.55)

# Powers of two and their reciprocals: products of short formats stay in range.
PAIRS = "halving and doubling"

CUDA_CASES = (
    Case("row", (ROW,), near_copy(1.55), charted=True),
    Case("row-reverse", (ROW,), near_copy(1.55), reverse=True),
    Case("row-exclusive", (ROW,), near_copy(1.55), inclusive=False),
    Case("flat-axis1", FLAT, near_copy(1.5), axis=1, charted=True),
    Case("flat-axis0", FLAT, near_copy(1.6), charted=True),
    Case("high-axis1", HIGH, near_copy(2), axis=1, charted=True),
    Case("wide-axis1", (16, 1 << 22), near_copy(1.6), axis=1, charted=True),
    Case("high-axis0", HIGH, near_copy(2), charted=True),
    Case("rows-axis1", (1 << 16, 1024), near_copy(1.5), axis=1, charted=True),
    Case("middle-axis", (64, 1024, 1024), near_copy(1.6), axis=1, charted=True),
    Case("row-float16", (ROW,), OTHER_DTYPES, dtype="float16", values=PAIRS),
    Case("row-bfloat16", (ROW,), OTHER_DTYPES, dtype="bfloat16", values=PAIRS),
    Case("row-int32", (ROW,), OTHER_DTYPES, dtype="int32", values="odd"),
    Case("row-complex64", (ROW // 2,), OTHER_DTYPES, dtype="complex64"),
    Case("cumsum", (ROW,), near_copy(1.55), op="cumsum"),
    Case("cummax", (ROW,), near_copy(1.55), op="cummax", values="rising"),
    Case("see-saw", (1 << 24,), near_copy(1.55), values="see-saw"),
    Case("log-normal", (1 << 24,), near_copy(1.55), values="log-normal"),
)


def shrunk(case: Case) -> Case:
    """The case at a tiny size, for trying things out."""
    shape = list(case.shape)
    while math.prod(shape) > QUICK_SIZE:
        shape[shape.index(max(shape))] //= 2
    return replace(case, shape=tuple(shape))


def selected(parts: list[str], quick: bool, of: tuple[Case, ...] = CASES) -> list[Case]:
    """The cases whose ids contain one of the given parts; all if none is given.

    Raises:
        ValueError: There is no such case.
    """
    cases = [c for c in of if not parts or any(part in c.id for part in parts)]
    if not cases:
        raise ValueError(
            f"no case has {' or '.join(map(repr, parts))} in its id; --list shows all"
        )
    return [shrunk(case) for case in cases] if quick else cases
