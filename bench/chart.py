"""Results as an SVG: for each case, bars of time over the time of a copy.

Bars start at the copy and grow on a logarithmic axis, the fastest library on
top. Colours are in the middle of the range, to be legible on light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape

from bench.report import TIMES, Case, Results, figure, libraries, ratio

WIDTH, MARGIN = 900, 24
LEFT, RIGHT = 256, 775  # of the bars; their labels follow
TOP, BOTTOM = 112, 46  # above and below the bars
BAR, PITCH, GAP = 11, 15, 20
WIDE = 2000  # wider axes (end over start) have room for powers of ten only

TEXT, ACCENT, QUIET = "#737b85", "#2f79ee", "#8b949e"
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def chart(results: Results) -> str:
    """The drawing."""
    groups = [
        (case, ranking(results, case)) for case in results["cases"] if case["charted"]
    ]
    ratios = [r for _, ranked in groups for r, _ in ranked]
    axis = Axis(min(ratios, default=1), max(ratios, default=10))
    heights = [PITCH * len(ranked) + GAP for _, ranked in groups]
    end = TOP + sum(heights) - (GAP if groups else 0)
    height = end + BOTTOM
    parts = [*head(results), *grid(axis, end)]
    top = TOP
    for (case, ranked), step in zip(groups, heights, strict=True):
        parts += group(axis, case, ranked, top)
        top += step
    return document("Time of a scan over the time of a copy", height, parts)


def document(title: str, height: float, parts: Iterable[str]) -> str:
    """An SVG of the width of all drawings."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="{FONT}" role="img">',
            f"<title>{escape(title)}</title>",
            *parts,
            "</svg>\n",
        ]
    )


def ranking(results: Results, case: Case) -> list[tuple[float, str]]:
    """Ratios to a copy and names, the fastest first."""
    # The C loop is a yardstick of the short cases.
    names = [name for name in libraries(results) if name != "C loop"]
    ratios = [(ratio(case, name, "copy"), name) for name in names]
    return sorted((r, name) for r, name in ratios if r is not None)


class Axis:
    """Logarithmic; the copy, at 1, is always on it."""

    def __init__(self, least: float, most: float) -> None:
        self.least = min(1.0, least)
        self.most = max(2.0, most)

    def __call__(self, value: float) -> float:
        """The position of a ratio."""
        span = math.log(self.most / self.least)
        return LEFT + (RIGHT - LEFT) * math.log(value / self.least) / span

    def ticks(self) -> Iterator[float]:
        """Round ratios that fit."""
        digits = (1, 2, 5) if self.most < WIDE * self.least else (1,)
        for power in range(math.floor(math.log10(self.least)), 9):
            for digit in digits:
                if self.least <= (tick := digit * 10.0**power) <= self.most:
                    yield tick


def head(results: Results) -> Iterator[str]:
    """Title, what it shows, where it was measured."""
    yield text(MARGIN, 36, "How far from the speed of a copy?", 20, weight=600)
    yield text(
        MARGIN,
        60,
        "Time of a cumulative product, unless said otherwise, over that of copying "
        "the same bytes; logarithmic.",
        13,
    )
    yield text(MARGIN, 80, place_and_date(results), 12)


def place_and_date(results: Results) -> str:
    """Where and when it was measured."""
    machine = results["machine"]
    on = machine.get("gpu") or f"{machine['processor']}, {results['threads']} threads"
    return f"{on}, {results['instruction_set']}, {machine['system']}, {results['date']}"


def grid(axis: Axis, end: float) -> Iterator[str]:
    """Vertical lines and their ratios below; the copy's is strong."""
    for tick in axis.ticks():
        x, strong = axis(tick), tick == 1
        yield (
            f'<path d="M{x:.1f} {TOP - 10}V{end + 6}" stroke="{QUIET}" '
            f'stroke-width="{1.5 if strong else 1}" '
            f'stroke-opacity="{0.9 if strong else 0.22}"/>'
        )
        label = "copy" if strong else f"{tick:g}{TIMES}"
        yield text(x, end + 24, label, 12, weight=600 if strong else 400, to="middle")


def group(
    axis: Axis, case: Case, ranked: list[tuple[float, str]], top: float
) -> Iterator[str]:
    """The bars of a case beside its name."""
    middle = top + PITCH * len(ranked) / 2 + 4
    yield text(LEFT - 18, middle, case["title"], 13, weight=500, to="end")
    for k, (value, name) in enumerate(ranked):
        y = top + PITCH * k + (PITCH - BAR) / 2
        ours = name == "upsweep"
        start, stop = sorted((axis(1), axis(value)))
        # Even a scan as fast as the copy leaves a mark.
        width = max(stop - start, 2)
        yield (
            f'<rect x="{start:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" '
            f'rx="2" fill="{ACCENT if ours else QUIET}" '
            f'fill-opacity="{1 if ours else 0.45}"/>'
        )
        yield text(
            start + width + 7,
            y + BAR - 1.5,
            f"{figure(value)}  {name}",
            11.5,
            ACCENT if ours else TEXT,
            weight=700 if ours else 400,
        )


def text(
    x: float,
    y: float,
    content: str,
    size: float,
    colour: str = TEXT,
    weight: int = 400,
    to: str = "start",
) -> str:
    """A line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'font-weight="{weight}" text-anchor="{to}" xml:space="preserve">'
        f"{escape(content)}</text>"
    )
