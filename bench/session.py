"""Runs workers, one for each number of threads, and collects what they measure."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import upsweep

from bench import machine
from bench.cases import Case, selected
from bench.report import summary

THREAD_VARIABLES = (
    "UPSWEEP_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
CHECKOUT = str(Path(__file__).parents[1])  # where workers find this package
# What a case costs beside its timing, on two cores of a server: inputs, exact results,
# and the slowest libraries' fewest rounds.
FIXED_SECONDS = 0.5
SECONDS_PER_ELEMENT = 5e-7


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    peers: list[str]
    device: str
    threads: int
    quick: bool
    seconds: float
    parts: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command line that measures beside other libraries."""
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument(
        "--threads",
        type=int,
        default=min(2, len(machine.processors()) or 2),
        help="for all libraries, on as many processors (default: %(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="sizes too small for figures, to try out"
    )


def add_files(parser: argparse.ArgumentParser) -> None:
    """The options that read results, write them and draw them."""
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="JSON",
        help="take these results instead of measuring",
    )
    parser.add_argument("--json", type=Path, help="write the results")
    parser.add_argument("--chart", type=Path, metavar="SVG", help="draw them")


class Progress:
    """One line for each case, which begins with the time that is left."""

    def __init__(
        self,
        cases: list[Case],
        seconds: float,
        per_element: float = SECONDS_PER_ELEMENT,
    ) -> None:
        """For cases that are each timed for so many seconds, and cost more for each
        element."""
        self.cases = cases
        self.start = time.monotonic()
        self.expected = [
            seconds + FIXED_SECONDS + per_element * case.size for case in cases
        ]
        self.done = 0
        self.announce()

    def left(self) -> float:
        """Seconds for the remaining cases, if they take as much longer than expected
        as those before."""
        left, before = sum(self.expected[self.done :]), sum(self.expected[: self.done])
        spent = time.monotonic() - self.start
        return left * spent / before if before else left

    def announce(self) -> None:
        """Prints what is being measured."""
        if self.done < len(self.cases):
            place = f"{clock(self.left()):>5} left [{self.done + 1}/{len(self.cases)}]"
            self.say(f"{place} {self.cases[self.done].title}: ")

    def finish(self, measured: dict[str, Any]) -> None:
        """Prints the result, then announces the next case."""
        self.done += 1
        self.say(f"{summary(measured)}\n")
        self.announce()

    @staticmethod
    def say(text: str) -> None:
        """Prints to a terminal, but not to a file."""
        print(text, end="", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def measure(options: Options) -> dict[str, Any]:
    """All cases, in the order of the table, as data."""
    cases = selected(options.parts, options.quick)
    groups: dict[int, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.threads or options.threads, []).append(case)
    progress = Progress(
        [case for group in groups.values() for case in group], options.seconds
    )
    peers: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    for threads, group in groups.items():
        answers = asked(options, threads, [case.id for case in group])
        peers = next(answers)
        for answer in answers:
            progress.finish(answer)
            measured[answer["id"]] = answer
    return {
        "date": datetime.date.today().isoformat(),
        "device": options.device,
        "threads": options.threads,
        "quick": options.quick,
        "machine": machine.description(),
        "instruction_set": upsweep.device_info(upsweep.cpu)["isa"],
        **peers,
        "cases": [measured[case.id] for case in cases],
    }


def asked(options: Options, threads: int, ids: list[str]) -> Iterator[dict[str, Any]]:
    """The lines of a worker's answer."""
    request = {
        "ids": ids,
        "peers": options.peers,
        "device": options.device,
        "threads": threads,
        "quick": options.quick,
        "seconds": options.seconds,
    }
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
    variables["JAX_PLATFORMS"] = "cpu"
    path = [CHECKOUT, os.environ.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    command = [sys.executable, "-m", "bench.worker", json.dumps(request)]
    with on_processors(threads):
        worker = subprocess.Popen(
            command,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
    assert worker.stdout is not None
    with worker:
        yield from map(json.loads, worker.stdout)
    if worker.returncode:
        raise subprocess.CalledProcessError(worker.returncode, command[:3])


@contextmanager
def on_processors(count: int) -> Iterator[None]:
    """Restricts processes started here to as many processors as threads."""
    allowed = machine.processors()
    if not allowed:
        yield
        return
    os.sched_setaffinity(0, allowed[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
