"""upsweep.torch beside PyTorch's own scans: calls, and gradients.

    python -m bench.torch [--device cuda] [--quick] [--json FILE]

Calls take turns in one run. Times are wall-clock, until the result is there; those of
small calls count the call alone, without waiting for a GPU.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import upsweep
import upsweep.torch as ut

from bench import machine, report
from bench.timing import Call, interleaved

SECONDS = 6.0  # of timing for each task
SMALL = 1024
# A long row, many rows, and axis 0.
SHAPES = [((1 << 24,), 0), ((4096, 4096), 1), ((4096, 4096), 0)]
QUICK = [((1 << 12,), 0), ((64, 64), 1), ((64, 64), 0)]

Scan = Callable[[Any, int], Any]
SCANS: dict[str, tuple[Scan, Scan]] = {
    "cumprod": (ut.cumprod, torch.cumprod),
    "cumsum": (ut.cumsum, torch.cumsum),
    "cummax": (ut.cummax, lambda x, dim: torch.cummax(x, dim).values),
    "logcumsumexp": (ut.logcumsumexp, torch.logcumsumexp),
}


@dataclass(frozen=True)
class Task:
    """What is timed, for both libraries."""

    name: str
    ours: Call
    theirs: Call


def forward(x: Any, dim: int, wait: Call) -> Callable[[Scan], Call]:
    """The scan."""

    def of(scan: Scan) -> Call:
        def call() -> None:
            scan(x, dim)
            wait()

        return call

    return of


def backward(x: Any, dim: int, wait: Call, order: int = 1) -> Callable[[Scan], Call]:
    """The scan and its gradient, or also the gradient of that."""
    leaf = x.clone().requires_grad_()
    ones = torch.ones_like(x)

    def of(scan: Scan) -> Call:
        def call() -> None:
            y = scan(leaf, dim)
            (g,) = torch.autograd.grad(y, leaf, ones, create_graph=order > 1)
            if order > 1:
                torch.autograd.grad(g, leaf, ones)
            wait()

        return call

    return of


def tasks(device: str, quick: bool) -> list[Task]:
    """All of them, with seeded inputs."""
    generator = torch.Generator(device).manual_seed(2026)

    def factors(shape: tuple[int, ...]) -> Any:
        x = torch.randn(shape, device=device, generator=generator)
        return (0.01 * x).exp_()

    def done() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def at_once() -> None:
        pass

    found = []

    def add(name: str, op: str, call: Callable[[Scan], Call]) -> None:
        ours, theirs = SCANS[op]
        found.append(Task(name, call(ours), call(theirs)))

    x = factors((SMALL,))
    add(f"cumprod of {SMALL}, call", "cumprod", forward(x, 0, at_once))
    add(f"cumprod of {SMALL}, with gradient", "cumprod", backward(x, 0, done))
    for shape, dim in QUICK if quick else SHAPES:
        x = factors(shape)
        where = " by ".join(map(str, shape)) + (
            f", dim {dim}" if len(shape) > 1 else ""
        )
        for op in SCANS:
            add(f"{op}, {where}", op, forward(x, dim, done))
            add(f"{op}, {where}, with gradient", op, backward(x, dim, done))
    x = factors((1 << 10 if quick else 1 << 14,))
    x[x.numel() // 2] = 0
    twice = backward(x, 0, done, order=2)
    add(f"second derivative of {x.numel()} with a zero", "cumprod", twice)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The results in Markdown."""
    lines = []
    for row in rows:
        theirs, ours = row["torch"]["median"], row["upsweep"]["median"]
        times = (report.duration(theirs), report.duration(ours))
        lines.append([row["task"], *times, f"{ours / theirs:.3g}"])
    return report.markdown(["float32", "PyTorch", "upsweep.torch", "ratio"], lines)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.torch")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.device == "cpu":
        os.sched_setaffinity(0, machine.processors()[: options.threads])
        upsweep.set_num_threads(options.threads)
        torch.set_num_threads(options.threads)
    seconds = 0 if options.quick else SECONDS
    rows = []
    for task in tasks(options.device, options.quick):
        print(f"{task.name} …", file=sys.stderr, flush=True)
        timings = interleaved({"torch": task.theirs, "upsweep": task.ours}, seconds)
        rows.append(
            {"task": task.name} | {name: asdict(t) for name, t in timings.items()}
        )
    results = {
        "date": datetime.date.today().isoformat(),
        "device": options.device,
        "threads": options.threads,
        "machine": machine.description(),
        "versions": {"torch": torch.__version__, "upsweep": upsweep.__version__},
        "tasks": rows,
    }
    if options.device == "cuda":
        results["gpu"] = torch.cuda.get_device_name()
    if options.json:
        text = json.dumps(results, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
