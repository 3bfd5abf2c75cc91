"""The results of growth.py as an SVG: time against the length of a row, and copies
against the shape of an input of constant size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from bench.chart import (
    ACCENT,
    MARGIN,
    QUIET,
    TEXT,
    WIDTH,
    document,
    place_and_date,
    text,
)
from bench.growth_report import SHAPES, copies, rows_of
from bench.report import TIMES, Case, Results, duration, seconds
from bench.scale import Scale, apart, horizontal, polyline
from bench.sweep_report import binary

TOP, BOTTOM, HEIGHT = 118, 392, 452  # of the panels, and of the drawing
LEFT, RIGHT = (72, 372), (544, WIDTH - MARGIN - 112)  # labels of the lines follow
# The same in both panels.
DASHES = {"PyTorch": "7 4", "NumPy": "2 3", "CuPy": "2 3", "CUB": "9 3 2 3"}
COPY = "1 4"
NAMED = 4  # powers of two between the lengths that are named
MOST = 1000.0  # copies: slower shapes are at the edge

Point = tuple[float, float]


def chart(results: Results) -> str:
    """The drawing."""
    parts = [*head(results), *times(results), *shapes(results)]
    return document("How the time of a scan grows", HEIGHT, parts)


def head(results: Results) -> Iterator[str]:
    """Title and where it was measured."""
    yield text(MARGIN, 36, "How the time of a product grows", 20, weight=600)
    yield text(MARGIN, 60, f"float32; {place_and_date(results)}", 12)


def times(results: Results) -> Iterator[str]:
    """The left panel."""
    rows = rows_of(results, "sizes")
    lines = {
        name: points(rows, name, seconds) for name in ("copy", *results["versions"])
    }
    if results["threads"] > 1:
        alone = rows_of(results, "sizes", 1)
        lines["1 thread"] = points(alone, "upsweep", seconds)
    every = [t for line in lines.values() for _, t in line] or [1.0]
    lengths = [n for line in lines.values() for n, _ in line] or [1.0]
    x = Scale(min(lengths), max(*lengths, 2), *LEFT)
    y = Scale(min(every) / 1.3, max(every) * 1.3, BOTTOM, TOP)
    yield text(MARGIN, TOP - 20, "Time of one row, by its elements", 13)
    yield from lengths_below(x)
    for tick in y.powers():
        yield from horizontal(*LEFT, y(tick), duration(tick))
    yield from drawn(lines, x, y)


def shapes(results: Results) -> Iterator[str]:
    """The right panel: the same number of elements in every shape."""
    lines: dict[str, list[Point]] = {}
    for part in SHAPES:
        rows = rows_of(results, part)
        for name in results["versions"]:
            lines[f"{name}, {part}"] = points(rows, name, copies)
    every = [min(c, MOST) for line in lines.values() for _, c in line] or [1.0]
    lengths = [n for line in lines.values() for n, _ in line] or [1.0]
    x = Scale(min(lengths), max(*lengths, 2), *RIGHT)
    y = Scale(min(0.9, *every) / 1.1, max(10.0, *every) * 1.1, BOTTOM, TOP)
    nbytes = max((row["nbytes"] for row in rows_of(results, "rows")), default=0)
    title = f"Copies, by the length of the scanned axis; {binary(nbytes)} in all"
    yield text(RIGHT[0] - 48, TOP - 20, title, 13)
    yield from lengths_below(x)
    for tick in y.powers():
        label = "copy" if tick == 1 else f"{tick:g}{TIMES}"
        yield from horizontal(*RIGHT, y(tick), label)
    clipped = {
        name: [(n, min(c, MOST)) for n, c in line] for name, line in lines.items()
    }
    yield from drawn(clipped, x, y)


def points(
    rows: list[Case], name: str, value: Callable[[Case, str], float | None]
) -> list[Point]:
    """The length of the scanned axis and a library's value, where it has one."""
    found = [(row["shape"][row["axis"]], value(row, name)) for row in rows]
    return [(n, v) for n, v in found if v is not None]


def drawn(lines: dict[str, list[Point]], x: Scale, y: Scale) -> Iterator[str]:
    """Lines, each named at its end."""
    ends = {name: y(line[-1][1]) for name, line in lines.items() if line}
    places = apart(ends)
    below = max(places.values(), default=0.0) - BOTTOM
    for name, place in places.items():
        ours = name.startswith(("upsweep", "1 thread"))
        library = name.partition(",")[0]
        dashes = COPY if name == "copy" else DASHES.get(library, "")
        if name == "1 thread" or ("columns" in name and ours):
            dashes = "5 3"
        at = [(x(n), y(v)) for n, v in lines[name]]
        yield polyline(at, ACCENT if ours else QUIET, dashes)
        yield text(
            x.end + 8,
            place - max(0.0, below) + 4,
            name,
            11,
            ACCENT if ours else TEXT,
            weight=700 if ours else 400,
        )


def lengths_below(x: Scale) -> Iterator[str]:
    """Powers of two."""
    for power in range(0, round(math.log2(x.most)) + 1, NAMED):
        place = x(2.0**power)
        path = f"M{place:.1f} {TOP}V{BOTTOM + 6}"
        yield f'<path d="{path}" stroke="{QUIET}" stroke-opacity="0.22"/>'
        exponent = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        yield text(place, BOTTOM + 22, f"2{exponent}", 12, to="middle")
