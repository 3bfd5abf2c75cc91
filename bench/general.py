"""The general scan beside what people do today: carries, segments, recurrences.

    python -m bench.general [--device gpu] [--quick] [--json FILE]

Each call is wall-clock time until its result is there; calls take turns. A result
that differs from the first elements of a float64 loop is marked as wrong.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import upsweep

from bench import console, machine
from bench.general_cpu import cpu_libraries
from bench.general_gpu import gpu_libraries
from bench.inputs import Array
from bench.timing import Call, Timing, interleaved

CHECKED = 4096  # elements of the first line
SECONDS = 8.0  # of timing for each task
ROW, BATCH, COLUMNS = (1 << 24,), (256, 4096), (4096, 256)
SEGMENT = 1000  # elements, on average


@dataclass
class Task:
    """One thing to compute, along the longer axis."""

    name: str
    what: str  # what libraries are asked for
    shape: tuple[int, ...]
    arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def axis(self) -> int:
        """The scanned axis."""
        return self.shape.index(max(self.shape))

    def first_line(self, name: str) -> Array:
        """The start of the first line of an input, as float64."""
        x = np.moveaxis(self.arrays[name], self.axis, -1)
        line: Array = x.reshape(-1, x.shape[-1])[0, :CHECKED]
        return line.astype(np.float64)


def tasks(quick: bool) -> list[Task]:
    """All of them, with seeded inputs."""
    row = (1 << 12,) if quick else ROW
    all_tasks = [
        Task("product that goes on from a carry", "initial", row),
        Task("product", "plain", row),
        Task("carry alone", "carry", row),
        Task(f"product of segments of about {SEGMENT}", "segments", row),
        Task("recurrence", "recurrence", row),
        Task("recurrence of 256 rows", "recurrence", BATCH),
        Task("recurrence of 256 columns", "recurrence", COLUMNS),
        Task("recurrence with one factor", "filter", row),
        Task("product as mantissa and exponent", "frexp", row),
        Task("product without NaN", "skipna", row),
        Task("product after its initial value", "include_initial", row),
    ]
    rng = np.random.default_rng(2026)
    for task in all_tasks:
        near_one = np.exp(0.01 * rng.standard_normal(task.shape, np.float32))
        x = near_one.astype(np.float32)
        if task.what in ("recurrence", "filter"):
            x = rng.standard_normal(task.shape, np.float32)
        if task.what == "skipna":
            x[rng.random(task.shape) < 0.01] = np.nan
        task.arrays["x"] = x
        task.arrays["a"] = rng.uniform(0.8, 0.99, task.shape).astype(np.float32)
        task.arrays["starts"] = rng.random(task.shape) < 1 / SEGMENT
    return all_tasks


def expected(task: Task) -> Array:
    """What a float64 loop gives for the first elements."""
    x, a = task.first_line("x"), task.first_line("a")
    starts = task.first_line("starts") != 0
    if task.what == "filter":
        a[:] = 0.9
    if task.what == "skipna":
        x = np.nan_to_num(x, nan=1)
    y = np.empty_like(x)
    state = 0.0 if task.what in ("recurrence", "filter") else 1.0
    if task.what == "initial":
        state = 2.0
    for i in range(x.size):
        if task.what in ("recurrence", "filter"):
            state = a[i] * state + x[i]
        elif task.what == "segments" and starts[i]:
            state = x[i]
        else:
            state *= x[i]
        y[i] = state
    return y


def is_right(task: Task, y: Any) -> bool:
    """Whether the first elements of a result are those of the loop."""
    if task.what == "carry":
        return True  # one number, of which the loop knows no more
    if task.what == "frexp":
        y = np.ldexp(np.asarray(y[0], np.float64), np.asarray(y[1]))
    line = np.moveaxis(np.asarray(y), task.axis, -1).reshape(-1, y.shape[task.axis])
    first = int(task.what == "include_initial")
    part = line[0, first : first + CHECKED].astype(np.float64)
    reference = expected(task)[: part.size]
    scale = np.maximum(1, np.abs(reference))
    return bool((np.abs(part - reference) <= 1e-3 * scale).all())


def measured(task: Task, libraries: list[Any], seconds: float) -> dict[str, Any]:
    """The times of a task, as data."""
    calls: dict[str, Call] = {}
    results: dict[str, dict[str, Any]] = {}
    for library in libraries:
        made = library.call(task)
        if isinstance(made, str):
            results[library.name] = {"unsupported": made}
            continue
        calls[library.name] = made
        right = library.name == "copy" or is_right(task, library.read(made()))
        results[library.name] = {"right": right}
    timings: dict[str, Timing] = interleaved(calls, seconds)
    for name, timing in timings.items():
        results[name] |= asdict(timing)
    shape = " by ".join(map(str, task.shape))
    return {"task": task.name, "shape": shape, "results": results}


def table(results: dict[str, Any]) -> str:
    """The results in Markdown: multiples of a copy of the input."""
    names = [
        "upsweep",
        *(n for n in results["versions"] if n not in ("upsweep", "copy")),
    ]
    lines = [
        "| float32 | copy | " + " | ".join(names) + " |",
        "| :-- |" + " --: |" * (len(names) + 1),
    ]
    for row in results["tasks"]:
        copy = row["results"]["copy"]["median"]
        cells = [f"{row['task']}, {row['shape']}", f"{copy * 1e3:.3g} ms"]
        for name in names:
            one = row["results"].get(name, {})
            text = f"{one['median'] / copy:.3g}" if "median" in one else "-"
            cells.append(text if one.get("right", True) else f"{text} (wrong)")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.general")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.device == "cpu":
        os.sched_setaffinity(0, machine.processors()[: options.threads])
        upsweep.set_num_threads(options.threads)
        libraries = cpu_libraries(options.threads)
    else:
        libraries = gpu_libraries()
    rows = []
    for task in tasks(options.quick):
        print(f"{task.name} …", file=sys.stderr, flush=True)
        rows.append(measured(task, libraries, 0 if options.quick else SECONDS))
    results = {
        "date": datetime.date.today().isoformat(),
        "device": options.device,
        "threads": options.threads,
        "machine": machine.description(),
        "versions": {library.name: library.version for library in libraries},
        "tasks": rows,
    }
    if options.json:
        text = json.dumps(results, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    print(table(results))
    return 0


if __name__ == "__main__":
    console.run(main)
