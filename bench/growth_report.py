"""The results of growth.py as tables."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from bench.report import (
    NONE,
    Case,
    Results,
    about,
    duration,
    figure,
    markdown,
    ratio,
    seconds,
)
from bench.sweep_report import WIDTH, fastest_peer, name

# The parts with shapes of constant size, in the order of the table.
SHAPES = {"rows": "along rows", "columns": "along columns"}
COLUMNS = ("upsweep", "fastest other")
MISSING = [NONE] * len(COLUMNS)


def summary(results: Results) -> str:
    """Everything, in Markdown."""
    parts = [
        *about(results),
        "Time of one row, by its elements:",
        sizes_table(results),
        "Copies, by the length of the scanned axis, with as many elements in all:",
        shapes_table(results),
    ]
    parts += [f"Failed: {name(r)}: {r['error']}" for r in results["cases"] if failed(r)]
    return "\n\n".join(p if p[0] == "|" else textwrap.fill(p, WIDTH) for p in parts)


def failed(row: Case) -> bool:
    """Whether a row has an error in place of times."""
    return "error" in row


def rows_of(results: Results, part: str, threads: int | None = None) -> list[Case]:
    """The rows of a part, with so many threads or as many as there were."""
    count = results["threads"] if threads is None else threads
    return [
        row
        for row in results["cases"]
        if row["part"] == part and row["threads"] == count and not failed(row)
    ]


def sizes_table(results: Results) -> str:
    """Times by the length of a row."""
    rows = rows_of(results, "sizes")
    alone = {}
    if results["threads"] > 1:
        alone = {r["shape"][0]: r for r in rows_of(results, "sizes", 1)}
    head = ["elements", "copy", "upsweep", "fastest other"]
    lines = []
    for row in rows:
        times = [duration(seconds(row, name)) for name in ("copy", "upsweep")]
        line = [f"{row['shape'][0]:,}", *times, fastest(row, seconds, duration)]
        if alone:
            one = alone.get(row["shape"][0])
            line.append(duration(seconds(one, "upsweep")) if one else NONE)
        lines.append(line)
    if alone:
        head.append("upsweep, 1 thread")
    return markdown(head, lines)


def shapes_table(results: Results) -> str:
    """Copies by the length of the scanned axis, of as many elements in all."""
    cells: dict[int, dict[str, list[str]]] = {}
    for part in SHAPES:
        for row in rows_of(results, part):
            length = row["shape"][row["axis"]]
            ours = figure(copies(row, "upsweep"))
            cells.setdefault(length, {})[part] = [ours, fastest(row, copies, figure)]
    head = [f"{name} {along}" for along in SHAPES.values() for name in COLUMNS]
    lines = [
        [f"{length:,}", *(text for part in SHAPES for text in found.get(part, MISSING))]
        for length, found in sorted(cells.items())
    ]
    return markdown(["length", *head], lines)


def copies(row: Case, name: str) -> float | None:
    """A library's time over that of the copy."""
    return ratio(row, name, "copy")


def fastest(
    row: Case,
    value: Callable[[Case, str], float | None],
    shown: Callable[[float | None], str],
) -> str:
    """A value of the fastest other library, and its name."""
    found = fastest_peer(row)
    return f"{shown(value(row, found[1]))} {found[1]}" if found else NONE
