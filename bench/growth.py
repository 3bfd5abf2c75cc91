"""How the time of a scan grows with its length, and with the shape of its input.

    python -m bench.growth --json FILE --chart FILE [--device gpu]

Products of one row of float32, from 1 element on, then of as many elements in all
shapes from one long row to many short ones, along both axes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from bench import console, cuda
from bench.growth_chart import chart
from bench.growth_report import summary
from bench.report import Case, Results
from bench.session import Progress, add_files, add_options, on_processors
from bench.sweep_cases import Drawn
from bench.sweep_cpu import Cpu
from bench.sweep_gpu import Cuda
from bench.sweep_report import name, summary_of_row
from bench.sweep_rows import Timer, row_of


@dataclass(frozen=True)
class Extent:
    """Powers of two: of the longest row, and of the elements in all shapes."""

    row: int
    shapes: int


EXTENTS = {"cpu": Extent(28, 24), "gpu": Extent(30, 26)}
QUICK = Extent(6, 4)
STEP = 2  # between the powers of rows


def main() -> None:
    """Measures or reads results, then writes the requested output."""
    arguments = parsed()
    if arguments.source:
        results: Results = json.loads(arguments.source.read_text(encoding="utf-8"))
    else:
        results = measured(arguments)
    if arguments.json:
        text = json.dumps(results, ensure_ascii=False, allow_nan=False)
        text = text.replace('{"part"', '\n{"part"')  # a line for each row
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(results), encoding="utf-8")
    print(summary(results))


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    add_options(parser)
    add_files(parser)
    return parser.parse_args()


def measured(arguments: argparse.Namespace) -> Results:
    """New results. On the CPU long rows are also timed with one thread."""
    extent = QUICK if arguments.quick else EXTENTS[arguments.device]
    rows: list[Case] = []
    if arguments.device == "gpu":
        if not cuda.is_there():
            raise SystemExit("The measurement needs an NVIDIA GPU here.")
        timer: Timer = Cuda()
        threads = 0
        rows += rows_of(timer, extent, threads, shapes=True)
    else:
        threads = arguments.threads
        for count in sorted({1, threads}):
            with on_processors(count):
                timer = Cpu(count, arguments.quick)
                rows += rows_of(timer, extent, count, shapes=count == threads)
    return {
        "date": datetime.date.today().isoformat(),
        "device": arguments.device,
        "threads": threads,
        "quick": arguments.quick,
        **timer.where(),
        "versions": timer.versions,
        "missing": timer.missing,
        "cases": rows,
    }


def rows_of(
    timer: Timer, extent: Extent, threads: int, *, shapes: bool
) -> Iterator[Case]:
    """What a device takes."""
    parts = list(cases(extent)) if shapes else list(row_cases(extent))
    for number, (part, case) in enumerate(parts):
        place = f"[{number + 1}/{len(parts)}]"
        Progress.say(f"{place} {name(case.described())} ")
        row = {"part": part} | row_of(timer, case, threads)
        Progress.say(summary_of_row(row) + "\n")
        yield row


def cases(extent: Extent) -> Iterator[tuple[str, Drawn]]:
    """All scans, each with the part of the picture that it belongs to."""
    yield from row_cases(extent)
    for power in range(extent.shapes + 1):
        length, lines = 1 << power, 1 << (extent.shapes - power)
        yield "rows", product((lines, length), 1)
        yield "columns", product((length, lines), 0)


def row_cases(extent: Extent) -> Iterator[tuple[str, Drawn]]:
    """Longer and longer rows."""
    for power in range(0, extent.row + 1, STEP):
        yield "sizes", product((1 << power,), 0)


def product(shape: tuple[int, ...], axis: int) -> Drawn:
    """An ordinary product."""
    return Drawn(
        number=math.prod(shape),
        op="cumprod",
        dtype="float32",
        shape=shape,
        axis=axis,
        reverse=False,
        inclusive=True,
        layout="contiguous",
        values="near one",
    )


if __name__ == "__main__":
    console.run(main)
