"""Scales of charts, and lines in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.chart import QUIET, text

LINE = 15  # between labels


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


def apart(places: dict[str, float]) -> dict[str, float]:
    """Heights of labels, moved so that none covers another."""
    moved, last = {}, -math.inf
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        moved[name] = last = max(place, last + LINE)
    return moved


def polyline(points: Sequence[tuple[float, float]], colour: str, dashes: str) -> str:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"/>'
    )
