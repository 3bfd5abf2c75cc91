"""The results of chunked.py as an SVG: time against chunks, and memory against time."""

from __future__ import annotations

from collections.abc import Iterator

from bench.chart import ACCENT, MARGIN, QUIET, TEXT, WIDTH, document, text
from bench.chunked_report import size
from bench.chunked_scans import ALL
from bench.report import Results, duration
from bench.scale import Scale, apart, horizontal, polyline

TOP, BOTTOM, HEIGHT = 118, 372, 430  # of the panels, and of the drawing
TIMES_LEFT, TIMES_RIGHT = 76, 396  # labels of the lines follow
MEMORY_LEFT, MEMORY_RIGHT = 616, WIDTH - MARGIN - 16
DASHES = dict(zip(ALL, ("1 4", "", "7 4", "2 3"), strict=True))


def chart(results: Results) -> str:
    """The drawing."""
    parts = [*head(results), *times(results), *memory(results)]
    return document("What a scan of a Dask array costs", HEIGHT, parts)


def head(results: Results) -> Iterator[str]:
    """Title and where it was measured."""
    machine = results["machine"]
    yield text(MARGIN, 36, "What a scan of a Dask array costs", 20, weight=600)
    where = (
        f"{machine['processor']}, {results['threads']} workers, "
        f"{results['instruction_set']}, {machine['system']}, {results['date']}"
    )
    yield text(MARGIN, 60, where, 12)


def times(results: Results) -> Iterator[str]:
    """The left panel."""
    rows = results["chunks"]["rows"]
    medians = {name: [row["results"][name]["median"] for row in rows] for name in ALL}
    every = [t for line in medians.values() for t in line]
    counts = [row["chunks"] for row in rows]
    x = Scale(counts[0], counts[-1], TIMES_LEFT, TIMES_RIGHT)
    y = Scale(min(every) / 1.3, max(every) * 1.3, BOTTOM, TOP)
    nbytes = size(4 * results["chunks"]["elements"])
    yield text(MARGIN, TOP - 20, f"Seconds for {nbytes} in more and more chunks", 13)
    for tick in x.powers():
        yield from vertical(x(tick), f"{tick:,.0f}")
    for tick in y.powers():
        yield from horizontal(TIMES_LEFT, TIMES_RIGHT, y(tick), f"{tick:g} s")
    yield text((TIMES_LEFT + TIMES_RIGHT) / 2, BOTTOM + 42, "chunks", 12, to="middle")
    places = apart({name: y(line[-1]) for name, line in medians.items()})
    for name, line in medians.items():
        points = [(x(n), y(t)) for n, t in zip(counts, line, strict=True)]
        ours = name == "upsweep"
        yield polyline(points, ACCENT if ours else QUIET, DASHES[name])
        yield text(
            TIMES_RIGHT + 10,
            places[name] + 4,
            f"{name}, {duration(line[-1])}",
            11.5,
            ACCENT if ours else TEXT,
            weight=700 if ours else 400,
        )


def memory(results: Results) -> Iterator[str]:
    """The right panel: the largest scan of upsweep."""
    row = max(results["memory"], key=lambda row: row["input_bytes"])
    samples = row["samples"]
    available = results["machine"]["memory_gib"] * 2**30
    most = max(row["input_bytes"], available, *samples)
    x = Scale(0, row["seconds"], MEMORY_LEFT, MEMORY_RIGHT, logarithmic=False)
    y = Scale(min(samples) / 2, most * 1.5, BOTTOM, TOP)
    yield text(
        MEMORY_LEFT - 40,
        TOP - 20,
        f"Memory of a scan of {size(row['input_bytes'])}, by time",
        13,
    )
    for tick in y.powers():
        yield from horizontal(MEMORY_LEFT, MEMORY_RIGHT, y(tick), size(tick))
    yield from vertical(x(0), "0 s")
    yield from vertical(x(row["seconds"]), duration(row["seconds"]))
    for value, label in (
        (row["input_bytes"], f"the input, {size(row['input_bytes'])}"),
        (available, f"the machine, {size(available)}"),
    ):
        ends = [(MEMORY_LEFT, y(value)), (MEMORY_RIGHT, y(value))]
        yield polyline(ends, QUIET, "7 4")
        below = value < row["input_bytes"]
        yield text(MEMORY_LEFT + 6, y(value) + (15 if below else -6), label, 11.5)
    curve = [
        (x(min(i * row["period"], row["seconds"])), y(sample))
        for i, sample in enumerate(samples)
    ]
    yield polyline(curve, ACCENT, "")
    yield text(
        MEMORY_LEFT + 6,
        y(max(samples)) - 8,
        f"the process, at most {size(max(samples))}",
        11.5,
        ACCENT,
        weight=700,
    )


def vertical(x: float, label: str) -> Iterator[str]:
    """A line of the grid, named below."""
    path = f"M{x:.1f} {TOP}V{BOTTOM + 6}"
    yield f'<path d="{path}" stroke="{QUIET}" stroke-opacity="0.22"/>'
    yield text(x, BOTTOM + 22, label, 12, to="middle")
