"""The results of chunked.py as tables, in Markdown and reStructuredText."""

from __future__ import annotations

from bench.chunked_errors import WHOLE
from bench.chunked_scans import ALL, SCANS
from bench.report import Case, Results, duration, figure, markdown

Table = tuple[list[str], list[list[str]]]  # the head and the rows


def size(count: float) -> str:
    """Bytes for readers."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{figure(count / scale)} {unit}"
    return f"{count:.0f} B"


def times(row: Case) -> list[str]:
    """The medians of a row, in the order of the scans."""
    return [duration(row["results"][name]["median"]) for name in ALL]


def chunks_table(results: Results) -> Table:
    """Time against the number of chunks."""
    rows = [[f"{row['chunks']:,}", *times(row)] for row in results["chunks"]["rows"]]
    return ["chunks", *ALL], rows


def order_table(results: Results) -> Table:
    """What it takes Dask to order the tasks."""
    cells: dict[int, list[str]] = {}
    for row in results["order"]:
        cell = f"{duration(row['seconds'])}, {size(row['growth_bytes'])}"
        cells.setdefault(row["chunks"], []).append(cell)
    return ["chunks", *ALL], [[f"{n:,}", *own] for n, own in cells.items()]


def workers_table(results: Results) -> Table:
    """Time with one worker and several."""
    rows = [
        [f"{row['scheduler']}, {row['workers']}", *times(row)]
        for row in results["workers"]["rows"]
    ]
    return ["workers", *ALL], rows


def wrong_table(results: Results) -> Table:
    """The numbers of wrong results, in parentheses those of NaN."""
    names = [*SCANS, WHOLE]
    rows = []
    for row in results["wrong"]["rows"]:
        for measure, title in (("ulp", "1 ulp"), ("hundredth", "1 %")):
            cells = [wrong(row["results"][name], measure) for name in names]
            rows.append([f"{row['line']}, off by more than {title}", *cells])
    return ["wrong results", *names], rows


def wrong(counts: dict[str, int], measure: str) -> str:
    """A cell of that table."""
    nan = f" ({counts['nan']:,} NaN)" if counts["nan"] else ""
    return f"{counts[measure]:,}{nan}"


def memory_table(results: Results) -> Table:
    """What the scans took at the peak."""
    rows = [
        [
            f"{row['scan']}, {size(row['input_bytes'])}",
            duration(row["seconds"]),
            size(row["growth_bytes"]),
            figure(row["chunks_at_the_peak"]),
        ]
        for row in results["memory"]
    ]
    return ["scan and input", "time", "memory", "in chunks"], rows


TABLES = {
    "chunks": chunks_table,
    "order": order_table,
    "workers": workers_table,
    "wrong": wrong_table,
    "memory": memory_table,
}


def in_markdown(results: Results) -> dict[str, str]:
    """All tables, by name."""
    return {name: markdown(*table(results)) for name, table in TABLES.items()}


def in_rst(results: Results, name: str) -> str:
    """A table for the guide."""
    head, rows = TABLES[name](results)
    quoted = [", ".join(f'"{cell}"' for cell in row) for row in (head, *rows)]
    lines = [f":header: {quoted[0]}", "", *quoted[1:]]
    return "\n".join([".. csv-table::", *(f"   {line}".rstrip() for line in lines)])
