"""Scans of JAX arrays, forward and backward, beside those of jax.lax.

    python -m bench.jax [--seconds S] [--json FILE]

Every call is compiled and includes the wait for its result; calls of a case take turns.
Backward is the gradient for a given one of the results, which includes what the scan
must compute for it.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import upsweep

from bench import console, machine
from bench.report import duration, figure
from bench.timing import interleaved

jax: Any = importlib.import_module("jax")
upsweep_jax: Any = importlib.import_module("upsweep.jax")

# Of one element, the time is that of the call.
SHAPES = [(1,), (1024,), (1 << 14,), (1 << 17,), (1 << 22,)]
FEW_LINES = [((256, 4096), 1), ((4096, 256), 0)]
SCANS = {
    "cumprod": "cumprod",
    "cumsum": "cumsum",
    "cummax": "cummax",
    "logcumsumexp": "cumlogsumexp",
}
COLUMNS = ["forward", "backward"]


@dataclass(frozen=True)
class Case:
    """A function of arrays of one shape, along an axis."""

    name: str
    shape: tuple[int, ...]
    axis: int

    @property
    def title(self) -> str:
        """The name and the shape."""
        return f"{self.name}, {' by '.join(f'{n:,}' for n in self.shape)}" + (
            f", axis {self.axis}" if len(self.shape) > 1 else ""
        )

    def inputs(self) -> list[Any]:
        """Factors whose products stay in the range; two arrays for a recurrence."""
        rng = np.random.default_rng(0)
        count = 2 if self.name == "linear_recurrence" else 1
        x = np.exp(rng.normal(0, 1e-3, (count, *self.shape)))
        return [jax.device_put(each.astype(np.float32)) for each in x]

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The same of each library."""
        axis = self.axis
        if self.name == "linear_recurrence":

            def combine(first: Any, second: Any) -> Any:
                (a, b), (c, d) = first, second
                return a * c, b * c + d

            return {
                "upsweep": lambda a, b: upsweep_jax.linear_recurrence(a, b, axis),
                "JAX": lambda a, b: jax.lax.associative_scan(
                    combine, (a, b), axis=axis
                )[1],
            }
        own, theirs = (
            getattr(upsweep_jax, self.name),
            getattr(jax.lax, SCANS[self.name]),
        )
        return {"upsweep": lambda x: own(x, axis), "JAX": lambda x: theirs(x, axis)}


def cases() -> list[Case]:
    """All that is measured."""
    lines = [(shape, 0) for shape in SHAPES] + FEW_LINES
    found = [Case("cumprod", shape, axis) for shape, axis in lines]
    for name in [*list(SCANS)[1:], "linear_recurrence"]:
        found += [Case(name, shape, 0) for shape in (SHAPES[1], SHAPES[3])]
    return found


def calls_of(case: Case) -> dict[str, Callable[[], object]]:
    """What is compared, compiled."""
    inputs = case.inputs()
    # An argument, since XLA folds what depends on constants alone.
    cotangent = jax.device_put(
        np.random.default_rng(1).uniform(1, 2, case.shape).astype(np.float32)
    )

    def forward(function: Callable[..., Any]) -> Callable[[], object]:
        compiled = jax.jit(function)
        return lambda: jax.block_until_ready(compiled(*inputs))

    def backward(function: Callable[..., Any]) -> Callable[[], object]:
        compiled = jax.jit(lambda c, *arrays: jax.vjp(function, *arrays)[1](c))
        return lambda: jax.block_until_ready(compiled(cotangent, *inputs))

    ways = dict(zip(COLUMNS, (forward, backward), strict=True))
    return {
        f"{library}, {way}": call(function)
        for way, call in ways.items()
        for library, function in case.functions().items()
    }


def row(case: Case, medians: dict[str, float]) -> str:
    """A row of the table."""
    cells = [case.title]
    for way in COLUMNS:
        own, theirs = medians[f"upsweep, {way}"], medians[f"JAX, {way}"]
        cells += [duration(own), duration(theirs), figure(theirs / own)]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4, help="for each case")
    parser.add_argument("--json", type=Path, help="where to write the medians")
    options = parser.parse_args()
    if not upsweep_jax.has_handlers():
        parser.error(
            "this build of upsweep has no handlers; see the guide of upsweep.jax"
        )
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.description(),
        "device": jax.devices()[0].device_kind,
        "isa": str(upsweep.device_info()["isa"]),
        "threads": upsweep.get_num_threads(),
        "jax": jax.__version__,
        "upsweep": upsweep.__version__,
    }
    print(
        f"{about['machine']['processor']}, {about['threads']} threads; device "
        f"{about['device']}; JAX {about['jax']}; {about['date']}\n"
    )
    print("| float32 | forward | JAX | times | backward | JAX | times |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    results = []
    for case in cases():
        timings = interleaved(calls_of(case), options.seconds)
        medians = {name: timing.median for name, timing in timings.items()}
        print(row(case, medians), flush=True)
        results.append({"case": case.title, "seconds": medians})
    if options.json:
        options.json.write_text(
            json.dumps({**about, "cases": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    console.run(main)
