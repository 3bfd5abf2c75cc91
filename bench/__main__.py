"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import bench
from bench import console, cuda
from bench.cases import CASES, CUDA_CASES, Case, selected
from bench.chart import chart
from bench.regression import ALLOWED, regressions
from bench.report import about, long_table, short_table, terminal_table
from bench.session import Options, add_files, add_options, measure

WIDTH = 100  # of what a terminal shows
PEERS = ("upsweep", "NumPy", "PyTorch", "MLX", "JAX", "numba", "C loop", "CuPy")


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__)
    add_options(parser)
    parser.add_argument(
        "--peers",
        type=names_of_peers,
        default=list(PEERS),
        metavar="NAMES",
        help="comma-separated, of " + ", ".join(PEERS),
    )
    parser.add_argument(
        "--cases",
        type=lambda text: text.split(","),
        default=[],
        metavar="PARTS",
        help="only cases whose id contains one of these, comma-separated",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="list the ids of the cases; measure none",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=15,
        help="of timing for each case; slow ones take longer (default: 15)",
    )
    add_files(parser)
    parser.add_argument(
        "--table",
        choices=["full", "markdown", "short"],
        default="full",
        help="what to print: everything for a terminal or in Markdown, or a short "
        "Markdown table (default: full)",
    )
    parser.add_argument(
        "--targets",
        action="store_true",
        help="show the developers' goals in full tables",
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="JSON",
        help=f"fail if a ratio is more than {ALLOWED} times what it was there",
    )
    arguments = parser.parse_args()
    try:
        selected(arguments.cases, False, cases_of(arguments.device))
    except ValueError as error:
        parser.error(f"argument --cases: {error}")
    return arguments


def cases_of(device: str) -> tuple[Case, ...]:
    """All cases of a device."""
    return CUDA_CASES if device == "gpu" and cuda.is_there() else CASES


def names_of_peers(text: str) -> list[str]:
    """The names of a list."""
    names = text.split(",")
    if unknown := set(names) - set(PEERS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def main() -> int:
    """Measures or reads results, then writes the requested output."""
    arguments = parsed()
    if arguments.list:
        cases = selected(arguments.cases, False, cases_of(arguments.device))
        width = max(len(case.id) for case in cases)
        print(*(f"{case.id:<{width}}  {case.title}" for case in cases), sep="\n")
        return 0
    results = read(arguments.source) if arguments.source else measured(arguments)
    if arguments.json:
        text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(results), encoding="utf-8")
    if arguments.table == "short":
        table = short_table(results)
    else:
        long = terminal_table if arguments.table == "full" else long_table
        table = long(results, arguments.targets)
    lines = about(results)
    if arguments.table == "full":
        lines = [textwrap.fill(line, WIDTH) for line in lines]
    print(table, *lines, sep="\n\n")
    return compared(arguments.compare, results) if arguments.compare else 0


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """New results."""
    options = Options(
        peers=arguments.peers,
        device=arguments.device,
        threads=arguments.threads,
        quick=arguments.quick,
        seconds=0 if arguments.quick else arguments.seconds,
        parts=arguments.cases,
    )
    if cases_of(options.device) is CUDA_CASES:
        return cuda.measure(options)
    return measure(options)


def read(path: Path) -> dict[str, Any]:
    """Earlier results."""
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def compared(path: Path, results: dict[str, Any]) -> int:
    """The exit status after a comparison."""
    old = read(path)
    if old["quick"] != results["quick"]:
        raise SystemExit("Quick results compare with quick ones only.")
    found = regressions(old, results)
    for line in found:
        print(f"slower: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    console.run(main)
