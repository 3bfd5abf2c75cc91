"""A sweep over scans drawn at random, each beside a copy and other libraries.

    python -m bench.sweep --seed 1 --minutes 10 [--device gpu] [--json FILE]

It measures until the time is over, then prints the goals, the kinds and the worst rows.
It times only; that results are right is for the tests.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import console, cuda
from bench.regression import ALLOWED, slower_kinds
from bench.report import Case, Results
from bench.session import Progress, add_options, clock, on_processors
from bench.sweep_cases import LIMITS, QUICK, Drawn, drawn
from bench.sweep_chart import chart
from bench.sweep_cpu import Cpu
from bench.sweep_gpu import Cuda
from bench.sweep_report import kinds, name, pooled, summary, summary_of_row
from bench.sweep_rows import Timer, row_of


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep")
    parser.add_argument("--seed", type=int, default=1, help="of the cases (default: 1)")
    parser.add_argument(
        "--minutes", type=float, default=10, help="to measure (default: 10)"
    )
    add_options(parser)
    parser.add_argument(
        "--from",
        dest="sources",
        type=Path,
        nargs="+",
        metavar="JSON",
        help="take these results together instead of measuring",
    )
    parser.add_argument("--json", type=Path, help="write the results")
    parser.add_argument("--chart", type=Path, metavar="SVG", help="draw them")
    parser.add_argument(
        "--worst", type=int, default=20, metavar="N", help="rows to print (default: 20)"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="JSON",
        help=f"fail if the median of a kind is more than {ALLOWED} times what it was",
    )
    arguments = parser.parse_args()
    if arguments.sources and arguments.json:
        parser.error("--json writes what is measured, not what --from reads")
    return arguments


def main() -> int:
    """Measures or reads results, then writes the requested output."""
    arguments = parsed()
    runs = read(arguments.sources) if arguments.sources else [swept(arguments)]
    if arguments.json:
        text = json.dumps(runs[0], ensure_ascii=False, allow_nan=False)
        text = text.replace('{"number"', '\n{"number"')  # a line for each row
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(runs), encoding="utf-8")
    print(summary(runs, arguments.worst))
    return compared(arguments.compare, runs) if arguments.compare else 0


def compared(path: Path, runs: list[Results]) -> int:
    """The exit status after a comparison."""
    (old,) = read([path])
    found = slower_kinds(kinds(old), kinds(pooled(runs)))
    for line in found:
        print(f"slower: {line}", file=sys.stderr)
    return 1 if found else 0


def read(paths: list[Path]) -> list[Results]:
    """Earlier results, of one device."""
    runs: list[Results] = [json.loads(p.read_text(encoding="utf-8")) for p in paths]
    if len({run["device"] for run in runs}) > 1:
        raise SystemExit("Results of one device only can be taken together.")
    return runs


def swept(arguments: argparse.Namespace) -> Results:
    """New results."""
    if arguments.device == "gpu":
        if not cuda.is_there():
            raise SystemExit("The sweep needs an NVIDIA GPU here.")
        return swept_on(Cuda(), 0, arguments)
    with on_processors(arguments.threads):
        timer = Cpu(arguments.threads, arguments.quick)
        return swept_on(timer, arguments.threads, arguments)


def swept_on(timer: Timer, threads: int, arguments: argparse.Namespace) -> Results:
    """Rows until the time is over, or until Ctrl-C."""
    limits = QUICK if arguments.quick else LIMITS[arguments.device]
    rows: list[Case] = []
    try:
        for case in in_time(drawn(arguments.seed, limits), arguments.minutes * 60):
            rows.append(row_of(timer, case, threads))
            Progress.say(summary_of_row(rows[-1]) + "\n")
    except KeyboardInterrupt:
        Progress.say("stopped\n")
    return {
        "date": datetime.date.today().isoformat(),
        "device": arguments.device,
        "threads": threads,
        "quick": arguments.quick,
        "seed": arguments.seed,
        **timer.where(),
        "versions": timer.versions,
        "missing": timer.missing,
        "cases": rows,
    }


def in_time(cases: Iterator[Drawn], seconds: float) -> Iterator[Drawn]:
    """Cases as long as there is time, at least one, each announced."""
    end = time.monotonic() + seconds
    for case in cases:
        left = clock(max(0, end - time.monotonic()))
        Progress.say(f"{left} left [{case.number + 1}] {name(case.described())} ")
        yield case
        if time.monotonic() > end:
            return


if __name__ == "__main__":
    console.run(main)
