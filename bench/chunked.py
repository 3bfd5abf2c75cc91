"""What scans of Dask arrays cost, and how many of their results are wrong.

    python -m bench.chunked [--quick] [--json FILE] [--from FILE] [--chart FILE]

Runs that are compared take turns. A line of float32 is made chunk by chunk, scanned,
and reduced to its largest result. Each worker has one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import importlib
import json
import os
import sys
from collections.abc import Hashable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import dask
import upsweep

from bench import chunked_memory, console, machine
from bench.chunked_chart import chart
from bench.chunked_errors import counts
from bench.chunked_report import in_markdown
from bench.chunked_scans import ALL, SCANS, largest
from bench.report import about
from bench.timing import Call, Timing, elapsed

WORKERS = 2
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    elements: int = 1 << 27
    chunks: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000, 10_000)
    ordered: tuple[int, ...] = (3000, 10_000)  # numbers of chunks
    shared_chunks: int = 64  # for the numbers of workers
    judged: int = 1 << 20
    odd_chunk: int = 9973
    rounds: int = 3
    # Elements of the scan that memory does not hold, of those that it does, of a chunk.
    large: int = 10**10
    small: int = 10**9
    large_chunk: int = 1 << 24


QUICK = Sizes(
    elements=1 << 14,
    chunks=(10, 30),
    ordered=(30,),
    shared_chunks=4,
    judged=1 << 14,
    odd_chunk=331,
    rounds=2,
    large=1 << 16,
    small=1 << 15,
    large_chunk=1 << 12,
)


def say(text: str) -> None:
    """Tells how far the run is."""
    print(text, file=sys.stderr, flush=True)


def in_turns(calls: dict[Key, Call], rounds: int) -> dict[Key, Timing]:
    """Times calls in turns. They last up to half a minute, so each has one call a
    round."""
    taken: dict[Key, list[float]] = {key: [] for key in calls}
    for turn in range(rounds):
        say(f"  round {turn + 1} of {rounds}")
        for key, call in calls.items():
            gc.collect()
            taken[key].append(elapsed(call))
    return {key: Timing.of(seconds) for key, seconds in taken.items()}


def by_scan(timings: dict[tuple[Any, str], Timing], key: Any) -> dict[str, Any]:
    """The timings of one setting, as data."""
    return {name: asdict(timings[key, name]) for name in ALL}


def by_chunks(sizes: Sizes) -> dict[str, Any]:
    """One line in more and more chunks."""

    def run(scan: str, chunks: int) -> Call:
        return lambda: largest(scan, sizes.elements, chunks).compute()

    with dask.config.set(scheduler="threads", num_workers=WORKERS):
        for name in ALL:
            run(name, sizes.chunks[0])()  # to warm up
        calls = {(n, name): run(name, n) for n in sizes.chunks for name in ALL}
        timings = in_turns(calls, sizes.rounds)
    rows = [{"chunks": n, "results": by_scan(timings, n)} for n in sizes.chunks]
    return {"elements": sizes.elements, "workers": WORKERS, "rows": rows}


@contextlib.contextmanager
def schedulers() -> Iterator[dict[tuple[str, int], dict[str, Any]]]:
    """Options of compute, by the name of the scheduler and the number of workers."""
    distributed: Any = importlib.import_module("distributed")
    found: dict[tuple[str, int], dict[str, Any]] = {
        ("threads", n): {"scheduler": "threads", "num_workers": n}
        for n in range(1, WORKERS + 1)
    }
    with contextlib.ExitStack() as opened:
        for n in range(1, WORKERS + 1):
            cluster = opened.enter_context(
                distributed.LocalCluster(
                    n_workers=n, threads_per_worker=1, dashboard_address=":0"
                )
            )
            client = distributed.Client(cluster, set_as_default=False)
            found["processes", n] = {"scheduler": opened.enter_context(client)}
        yield found


def by_workers(sizes: Sizes) -> dict[str, Any]:
    """One line with one worker and more, as threads and as processes."""

    def run(scan: str, elements: int, options: dict[str, Any]) -> Call:
        return lambda: largest(scan, elements, sizes.shared_chunks).compute(**options)

    with schedulers() as found:
        for options in found.values():
            for name in ALL:
                run(name, sizes.shared_chunks, options)()  # to warm up
        calls = {
            (key, name): run(name, sizes.elements, options)
            for key, options in found.items()
            for name in ALL
        }
        timings = in_turns(calls, sizes.rounds)
    rows = [
        {"scheduler": key[0], "workers": key[1], "results": by_scan(timings, key)}
        for key in found
    ]
    return {"elements": sizes.elements, "chunks": sizes.shared_chunks, "rows": rows}


def measured(sizes: Sizes, quick: bool) -> dict[str, Any]:
    """Everything, as data."""
    say("chunks")
    chunks = by_chunks(sizes)
    say("workers")
    workers = by_workers(sizes)
    say("the order of the tasks")
    ordered = [
        chunked_memory.alone(chunked_memory.of_order, name, sizes.elements, n)
        for n in sizes.ordered
        for name in ALL
    ]
    say("errors")
    wrong = counts(SCANS, sizes.judged, sizes.odd_chunk)
    say("memory")
    runs = [(name, sizes.small) for name in SCANS] + [("upsweep", sizes.large)]
    memory = [
        chunked_memory.alone(
            chunked_memory.of_scan, name, elements, sizes.large_chunk, WORKERS
        )
        for name, elements in runs
    ]
    modules = {
        name: importlib.import_module(name)
        for name in ("upsweep", "dask", "distributed", "numpy")
    }
    return {
        "date": datetime.date.today().isoformat(),
        "threads": WORKERS,
        "quick": quick,
        "machine": machine.description(),
        "instruction_set": upsweep.device_info(upsweep.cpu)["isa"],
        "versions": {name: module.__version__ for name, module in modules.items()},
        "missing": {},
        "chunks": chunks,
        "order": ordered,
        "workers": workers,
        "wrong": {
            "elements": sizes.judged,
            "chunk": sizes.odd_chunk,
            "rows": wrong,
        },
        "memory": memory,
    }


def main() -> int:
    """Measures or reads results, then writes the requested output."""
    parser = argparse.ArgumentParser(prog="python -m bench.chunked")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="write the results")
    parser.add_argument("--from", dest="source", type=Path, metavar="JSON")
    parser.add_argument("--chart", type=Path, metavar="SVG", help="draw them")
    options = parser.parse_args()
    if options.source:
        results = json.loads(options.source.read_text(encoding="utf-8"))
    else:
        # One thread for each worker; processes inherit both settings.
        os.environ["UPSWEEP_NUM_THREADS"] = "1"
        upsweep.set_num_threads(1)
        os.sched_setaffinity(0, machine.processors()[:WORKERS])
        results = measured(QUICK if options.quick else Sizes(), options.quick)
    if options.json:
        text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.chart:
        options.chart.write_text(chart(results), encoding="utf-8")
    for name, table in in_markdown(results).items():
        print(name, table, sep="\n\n", end="\n\n")
    print(*about(results), sep="\n\n")
    return 0


if __name__ == "__main__":
    console.run(main)
