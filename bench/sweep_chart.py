"""The results of the sweep as an SVG: a dot for each row, its time over that of the
copy against the bytes of its input."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.chart import (
    ACCENT,
    MARGIN,
    QUIET,
    WIDTH,
    Axis,
    document,
    place_and_date,
    text,
)
from bench.report import TIMES, Case, Results
from bench.scale import Scale, horizontal
from bench.sweep_report import (
    DTYPE_KINDS,
    GOALS,
    LARGE,
    binary,
    measured,
    pooled,
    ratio,
)

LEFT, RIGHT = 72, WIDTH - MARGIN - 8
TOP, BOTTOM, HEIGHT = 118, 520, 590  # of the panel, and of the drawing
RADIUS = 2.6
STEP = 16  # between the sizes that are named

# Legible on light and dark.
COLOURS = {
    "cumprod": ACCENT,
    "cumsum": "#1f9d61",
    "cummax, cummin": "#c98500",
    "8 and 16 bits": QUIET,
    "complex64": "#9a6be0",
    "logcumsumexp": "#e0564f",
}


def group(row: Case) -> str:
    """What a row's colour stands for."""
    if row["op"] == "logcumsumexp":
        return "logcumsumexp"
    if row["dtype"] == "complex64":
        return "complex64"
    if DTYPE_KINDS.get(row["dtype"], "").startswith("short"):
        return "8 and 16 bits"
    return "cummax, cummin" if row["op"] in ("cummax", "cummin") else str(row["op"])


def chart(runs: list[Results]) -> str:
    """The drawing."""
    run = pooled(runs)
    rows = measured(run)
    sizes = [row["nbytes"] for row in rows] or [1]
    ratios = [ratio(row) for row in rows] or [1]
    x = Scale(min(sizes) / 1.2, max(sizes) * 1.2, LEFT, RIGHT)
    y = Scale(min(0.5, *ratios) / 1.1, max(10, *ratios) * 1.1, BOTTOM, TOP)
    parts = [
        *head(run),
        *legend(rows),
        *grid(x, y),
        *limits(x, y, run["device"]),
        *(dot(x(row["nbytes"]), y(ratio(row)), COLOURS[group(row)]) for row in rows),
    ]
    return document("Times of scans over the time of a copy", HEIGHT, parts)


def head(run: Results) -> Iterator[str]:
    """Title, and where it was measured."""
    yield text(MARGIN, 36, "Scans drawn at random, beside a copy", 20, weight=600)
    yield text(MARGIN, 60, place_and_date(run), 12)


def legend(rows: list[Case]) -> Iterator[str]:
    """The colours, with their numbers of rows."""
    place = float(MARGIN)
    groups = [group(row) for row in rows]
    for name, colour in COLOURS.items():
        label = f"{name} ({groups.count(name)})"
        yield dot(place + 4, 86, colour, RADIUS + 1.4)
        yield text(place + 13, 90, label, 12)
        place += 30 + 6.6 * len(label)


def grid(x: Scale, y: Scale) -> Iterator[str]:
    """Sizes and ratios; the copy's is strong."""
    size = STEP ** math.ceil(math.log(x.least, STEP))
    while size <= x.most:
        path = f"M{x(size):.1f} {TOP}V{BOTTOM + 6}"
        yield f'<path d="{path}" stroke="{QUIET}" stroke-opacity="0.22"/>'
        yield text(x(size), BOTTOM + 22, binary(size), 12, to="middle")
        size *= STEP
    for tick in Axis(y.least, y.most).ticks():
        if tick != 1:
            yield from horizontal(LEFT, RIGHT, y(tick), f"{tick:g}{TIMES}")
    yield line(f"M{LEFT} {y(1):.1f}H{RIGHT}", 1.5, "")
    yield text(LEFT - 8, y(1) + 4, "copy", 12, weight=600, to="end")
    yield text((LEFT + RIGHT) / 2, BOTTOM + 44, "bytes of the input", 12, to="middle")


def limits(x: Scale, y: Scale, device: str) -> Iterator[str]:
    """The limit of most rows, from the size on from which they are judged."""
    goal, start = GOALS[device][0], LARGE[device]
    if not x.least < start < x.most:
        return
    place = y(goal.limit)
    yield line(f"M{x(start):.1f} {BOTTOM}V{place:.1f}H{RIGHT}", 1.5, "7 4")
    label = f"limit, {goal.limit:g}{TIMES}: {goal.name}"
    yield text(RIGHT, place - 6, label, 11.5, to="end")


def line(path: str, width: float, dashes: str) -> str:
    """A strong line."""
    return (
        f'<path d="{path}" fill="none" stroke="{QUIET}" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}"/>'
    )


def dot(x: float, y: float, colour: str, radius: float = RADIUS) -> str:
    """A dot."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}" '
        'fill-opacity="0.8"/>'
    )
