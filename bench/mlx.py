"""upsweep.mlx beside MLX's own scans: calls, and calls with a gradient.

    python -m bench.mlx [--seconds S]

Calls take turns in one run, on the CPU. Times are wall-clock, until the result is
there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import upsweep.mlx as um

from bench import console, machine, report
from bench.timing import Call, interleaved

SHAPES = [(1024,), (256, 4096)]
SCANS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    name: (getattr(um, name), getattr(mx, name))
    for name in ("cumprod", "cumsum", "cummax", "logcumsumexp")
}


def forward(scan: Callable[..., Any], x: Any) -> Call:
    """The scan along the last axis."""
    return lambda: mx.eval(scan(x, axis=-1))


def backward(scan: Callable[..., Any], x: Any) -> Call:
    """The gradient of the sum of its results."""
    gradient = mx.grad(lambda x: scan(x, axis=-1).sum())
    return lambda: mx.eval(gradient(x))


def main() -> None:
    """Measures and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.mlx")
    parser.add_argument("--seconds", type=float, default=4, help="for each row")
    seconds = parser.parse_args().seconds
    mx.set_default_device(mx.cpu)
    found = machine.description()
    print(f"{found['processor']}, {found['cores']} cores; MLX {version('mlx')}\n")
    rows = []
    for shape in SHAPES:
        x = mx.exp(0.01 * mx.random.normal(shape, key=mx.random.key(1)))
        mx.eval(x)
        for name, (ours, theirs) in SCANS.items():
            for call, what in ((forward, ""), (backward, " and its gradient")):
                calls = {"mlx": call(theirs, x), "upsweep": call(ours, x)}
                timings = interleaved(calls, seconds)
                times = (report.duration(timings[one].median) for one in calls)
                rows.append([f"{name}{what}, {' by '.join(map(str, shape))}", *times])
    print(report.markdown(["float32", "MLX", "upsweep.mlx"], rows))


if __name__ == "__main__":
    console.run(main)
