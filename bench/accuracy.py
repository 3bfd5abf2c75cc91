"""Measures and prints the table of accuracy in bench/README.md.

Needs NumPy, PyTorch and MLX as well as upsweep. bench/README.md explains the method.
"""

import operator
from decimal import Decimal, localcontext
from itertools import accumulate
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
import torch
import upsweep

from bench import console

Array = npt.NDArray[Any]

NAMES = ("upsweep", "NumPy", "PyTorch", "MLX")


def results(x: Array) -> dict[str, Array]:
    """The cumulative product of a 1-d array, by library."""
    return {
        "upsweep": np.asarray(upsweep.cumprod(upsweep.asarray(x))),
        "NumPy": np.cumprod(x, dtype=x.dtype),
        "PyTorch": torch.cumprod(torch.tensor(x), 0).numpy(),
        "MLX": np.array(mx.cumprod(mx.array(x))),
    }


def largest_error(length: int, dtype: type, spread: float) -> dict[str, str]:
    """The largest error in ulp over a row of seeded factors near 1."""
    noise = np.random.default_rng(0).normal(0, spread, length)
    x: Array = (1 + noise).astype(dtype)
    with localcontext() as context:
        context.prec = 40
        exact = list(accumulate(map(Decimal, x.tolist()), operator.mul))

        def worst(y: Array) -> Decimal:
            ulps = map(Decimal, np.spacing(np.abs(y)).tolist())
            found = map(Decimal, y.tolist())
            errors: list[Decimal] = [
                abs(f - e) / u for f, e, u in zip(found, exact, ulps, strict=True)
            ]
            return max(errors)

        largest = {k: worst(y) for k, y in results(x).items()}
    return {k: f"{e:.2f}" if e < 10 else f"{e:,.0f}" for k, e in largest.items()}


def main() -> None:
    mx.set_default_device(mx.cpu)
    info = upsweep.device_info(upsweep.cpu)
    versions = (upsweep, np, torch, mx)
    print(
        ", ".join(
            f"{name} {module.__version__}"
            for name, module in zip(NAMES, versions, strict=True)
        )
    )
    print(", ".join(f"{k} {v}" for k, v in info.items()), end="\n\n")

    yes_or_no = dict(zip(NAMES, ("yes", "no", "no", "yes"), strict=True))
    rows = {
        "error, 2^20 float32 factors near 1": largest_error(1 << 20, np.float32, 1e-3),
        "error, 2^20 float64 factors near 1": largest_error(1 << 20, np.float64, 1e-3),
        "error, 2^12 float16 factors near 1": largest_error(1 << 12, np.float16, 1e-2),
        "exclusive and reverse in the call": yes_or_no,
    }
    print("| cumprod |", " | ".join(NAMES), "|")
    print("|:--|" + "--:|" * len(NAMES))
    for title, cells in rows.items():
        print(f"| {title} |", " | ".join(cells[k] for k in NAMES), "|")


if __name__ == "__main__":
    console.run(main)
