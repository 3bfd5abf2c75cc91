"""Scales of charts, and lines of their grids."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bench.chart import QUIET, text


@dataclass(frozen=True)
class Scale:
    """Maps values to positions, by their logarithms or as they are."""

    least: float
    most: float
    start: float
    end: float
    logarithmic: bool = True

    def __call__(self, value: float) -> float:
        """The position of a value."""
        least, most = self.least, self.most
        if self.logarithmic:
            least, most, value = (math.log(v) for v in (least, most, value))
        return self.start + (self.end - self.start) * (value - least) / (most - least)

    def powers(self) -> Iterator[float]:
        """Powers of ten that fit."""
        first = math.ceil(math.log10(self.least) - 1e-9)
        last = math.floor(math.log10(self.most) + 1e-9)
        for power in range(first, last + 1):
            yield 10.0**power


def horizontal(left: float, right: float, y: float, label: str) -> Iterator[str]:
    """A line of the grid, named on the left."""
    yield f'<path d="M{left} {y:.1f}H{right}" stroke="{QUIET}" stroke-opacity="0.22"/>'
    yield text(left - 8, y + 4, label, 12, to="end")
