"""Loops for numba, as one writes them for (outer, length, inner)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from bench.inputs import Array

COLUMNS = 512  # scanned together, so that rows are read along memory

Loop = Callable[[Array, Array], None]


@cache
def compiled(numba: Any, op: str, lines: tuple[int, int, int]) -> Loop:
    """What scans along the middle axis of its first argument into its second."""
    combine = numba.njit({"cumprod": times, "cumsum": plus, "cummax": larger}[op])
    outer, _, inner = lines
    divided = outer > 1 or inner > COLUMNS
    turns = numba.prange if divided else range
    maker = rows if inner == 1 else columns
    loop: Loop = numba.njit(parallel=divided)(maker(combine, turns))
    return loop


def times(a: Any, b: Any) -> Any:
    """The step of a product."""
    return a * b


def plus(a: Any, b: Any) -> Any:
    """The step of a sum."""
    return a + b


def larger(a: Any, b: Any) -> Any:
    """The step of a maximum."""
    return b if b > a else a


def rows(combine: Any, turns: Any) -> Loop:
    """Lines along memory: the running value stays in a register."""

    def scan(x: Array, y: Array) -> None:
        for i in turns(x.shape[0]):
            running = x[i, 0, 0]
            y[i, 0, 0] = running
            for j in range(1, x.shape[1]):
                running = combine(running, x[i, j, 0])
                y[i, j, 0] = running

    return scan


def columns(combine: Any, turns: Any) -> Loop:
    """Lines across memory: whole rows of columns at once."""

    def scan(x: Array, y: Array) -> None:
        blocks = -(-x.shape[2] // COLUMNS)
        for turn in turns(x.shape[0] * blocks):
            i, start = turn // blocks, turn % blocks * COLUMNS
            stop = min(start + COLUMNS, x.shape[2])
            for k in range(start, stop):
                y[i, 0, k] = x[i, 0, k]
            for j in range(1, x.shape[1]):
                for k in range(start, stop):
                    y[i, j, k] = combine(y[i, j - 1, k], x[i, j, k])

    return scan
