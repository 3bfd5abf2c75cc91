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
from torch._higher_order_ops.associative_scan import associative_scan

from bench import console, machine, report
from bench.timing import Call, interleaved

SECONDS = 6.0  # of timing for each task
SMALL = 1024
# A long row, many rows, and axis 0.
SHAPES = [((1 << 24,), 0), ((4096, 4096), 1), ((4096, 4096), 0)]
QUICK = [((1 << 12,), 0), ((64, 64), 1), ((64, 64), 0)]

# Of recurrences, which take PyTorch a step in Python for each element of a line.
STATES = [((1024, 4096), 0), ((4096, 1024), 1)]
QUICK_STATES = [((64, 64), 0), ((64, 64), 1)]

Scan = Callable[..., Any]  # of tensors and an axis
SCANS: dict[str, tuple[Scan, Scan]] = {
    "cumprod": (ut.cumprod, torch.cumprod),
    "cumsum": (ut.cumsum, torch.cumsum),
    "cummax": (ut.cummax, lambda x, dim: torch.cummax(x, dim).values),
    "logcumsumexp": (ut.logcumsumexp, torch.logcumsumexp),
}


def loop(a: Any, b: Any, dim: int) -> Any:
    """A recurrence, one step of all lines at a time."""
    h = torch.zeros_like(a.select(dim, 0))
    states = []
    for factor, term in zip(a.unbind(dim), b.unbind(dim), strict=True):
        h = torch.addcmul(term, factor, h)
        states.append(h)
    return torch.stack(states, dim)


def associative(a: Any, b: Any, dim: int) -> Any:
    """A recurrence by PyTorch's scan with any operator."""

    def combine(first: Any, second: Any) -> Any:
        (a, b), (c, d) = first, second
        return a * c, b * c + d

    return associative_scan(combine, (a, b), dim, combine_mode="generic")[1]


# What PyTorch has for linear_recurrence.
RECURRENCES = {"a loop": loop, "associative_scan": associative}


@dataclass(frozen=True)
class Task:
    """What is timed, for both libraries."""

    name: str
    ours: Call
    theirs: Call


def forward(tensors: list[Any], dim: int, wait: Call) -> Callable[[Scan], Call]:
    """The scan."""

    def of(scan: Scan) -> Call:
        def call() -> None:
            scan(*tensors, dim)
            wait()

        return call

    return of


def backward(
    tensors: list[Any], dim: int, wait: Call, order: int = 1
) -> Callable[[Scan], Call]:
    """The scan and its gradient, or also the gradient of that."""
    leaves = [x.clone().requires_grad_() for x in tensors]
    ones = torch.ones_like(tensors[0])

    def of(scan: Scan) -> Call:
        def call() -> None:
            y = scan(*leaves, dim)
            found = torch.autograd.grad(y, leaves, ones, create_graph=order > 1)
            if order > 1:
                torch.autograd.grad(found, leaves, [ones] * len(found))
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

    def add(name: str, pair: tuple[Scan, Scan], call: Callable[[Scan], Call]) -> None:
        ours, theirs = pair
        found.append(Task(name, call(ours), call(theirs)))

    def where(shape: tuple[int, ...], dim: int) -> str:
        axis = f", dim {dim}" if len(shape) > 1 else ""
        return " by ".join(map(str, shape)) + axis

    products = SCANS["cumprod"]
    x = [factors((SMALL,))]
    add(f"cumprod of {SMALL}, call", products, forward(x, 0, at_once))
    add(f"cumprod of {SMALL}, with gradient", products, backward(x, 0, done))
    for shape, dim in QUICK if quick else SHAPES:
        x = [factors(shape)]
        for op, pair in SCANS.items():
            name = f"{op}, {where(shape, dim)}"
            add(name, pair, forward(x, dim, done))
            add(f"{name}, with gradient", pair, backward(x, dim, done))
    for shape, dim in QUICK_STATES if quick else STATES:
        x = [factors(shape), factors(shape)]
        for peer, theirs in RECURRENCES.items():
            name = f"linear_recurrence, {where(shape, dim)}, beside {peer}"
            pair = (ut.linear_recurrence, theirs)
            add(name, pair, forward(x, dim, done))
            add(f"{name}, with gradient", pair, backward(x, dim, done))
    x = [factors((1 << 10 if quick else 1 << 14,))]
    x[0][x[0].numel() // 2] = 0
    twice = backward(x, 0, done, order=2)
    add(f"second derivative of {x[0].numel()} with a zero", products, twice)
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
    console.run(main)
