"""What a scan over several processes costs, beside one that each does on its own.

    python -m bench.distributed [--backend nccl] [--processes 2] [--elements N]

Each process has a row of N elements, on a GPU of its own with nccl. A time is that of
the slowest process, until its results are there; calls take turns.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import upsweep
import upsweep.distributed

from bench import console, machine

ROUNDS = 15


def calls_of(torch: Any, x: Any, op: str) -> dict[str, Callable[[], object]]:
    """What is compared: each process alone, then all together."""
    dist = torch.distributed
    scan = {"prod": torch.cumprod, "sum": torch.cumsum}[op]
    kind = upsweep.gpu if x.is_cuda else upsweep.cpu
    stream = upsweep.Device(kind, x.device.index or 0)
    copy = torch.empty_like(x)

    def by_hand() -> object:
        """As PyTorch's users do, which is wrong where a product leaves the range."""
        y = scan(x, 0)
        ends = [torch.empty_like(y[-1:]) for _ in range(dist.get_world_size())]
        dist.all_gather(ends, y[-1:].clone())
        for end in ends[: dist.get_rank()]:
            y = y.mul_(end) if op == "prod" else y.add_(end)
        return y

    return {
        "copy": lambda: copy.copy_(x),
        "upsweep, alone": lambda: upsweep.scan(x, op, stream=stream),
        "carry, alone": lambda: upsweep.carry(x, op, stream=stream).value(),
        "upsweep.distributed": lambda: upsweep.distributed.scan(x, op, 0),
        "PyTorch, alone": lambda: scan(x, 0),
        "PyTorch by hand": by_hand,
    }


def work(rank: int, options: argparse.Namespace, folder: str) -> None:
    """Measures in one process; the first one prints."""
    torch: Any = importlib.import_module("torch")
    dist: Any = importlib.import_module("torch.distributed")
    on_gpu = options.backend == "nccl"
    if on_gpu:
        torch.cuda.set_device(rank)
    dist.init_process_group(
        options.backend,
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=options.processes,
    )
    rng = np.random.default_rng(rank)
    # Products come back to 1, so that they stay in the range.
    half = np.exp(1e-2 * rng.standard_normal(min(options.elements, 1 << 16) // 2))
    piece = np.concatenate([half, 1 / half])
    x = torch.from_numpy(piece.astype(np.float32)).repeat(
        options.elements // piece.size
    )
    x = x.cuda() if on_gpu else x

    def waited() -> None:
        if on_gpu:
            upsweep.synchronize(upsweep.Device(upsweep.gpu, rank))
            torch.cuda.synchronize()
        else:
            upsweep.synchronize(upsweep.cpu)

    seconds: dict[str, list[float]] = {}
    for op in ("prod", "sum"):
        calls = calls_of(torch, x, op)
        for turn in range(options.rounds + 2):  # two to warm up
            for name, call in calls.items():
                waited()
                dist.barrier()
                start = time.perf_counter()
                result = call()
                waited()
                spent = torch.tensor([time.perf_counter() - start], device=x.device)
                del result
                dist.all_reduce(spent, dist.ReduceOp.MAX)
                if turn >= 2:
                    seconds.setdefault(f"{op}: {name}", []).append(spent.item())
    if rank == 0:
        print(json.dumps({name: median(times) for name, times in seconds.items()}))
    dist.destroy_process_group()


def measure(options: argparse.Namespace) -> dict[str, float]:
    """The medians of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.distributed", *sys.argv[1:]]
        processes = [
            subprocess.Popen(
                [*command, "--rank", str(rank), "--folder", folder],
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(options.processes)
        ]
        outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("A process failed.")
    medians: dict[str, float] = json.loads(outputs[0].splitlines()[-1])
    return medians


def table(seconds: dict[str, float]) -> str:
    """In Markdown: milliseconds, and multiples of a scan that each does alone."""
    names = [name.split(": ")[1] for name in seconds if name.startswith("prod")]
    lines = ["| | product | sum |", "| :-- | --: | --: |"]
    for name in names:
        cells = []
        for op in ("prod", "sum"):
            own, alone = seconds[f"{op}: {name}"], seconds[f"{op}: upsweep, alone"]
            cells.append(f"{own * 1e3:.2f} ms ({own / alone:.2f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.distributed")
    parser.add_argument("--backend", choices=["gloo", "nccl"], default="gloo")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank is not None:
        work(options.rank, options, options.folder)
        return 0
    if options.backend == "gloo":
        os.environ.setdefault("UPSWEEP_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    seconds = measure(options)
    if options.json:
        results = {
            "date": datetime.date.today().isoformat(),
            "machine": machine.description(),
            "backend": options.backend,
            "processes": options.processes,
            "elements": options.elements,
            "seconds": seconds,
        }
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(seconds))
    return 0


if __name__ == "__main__":
    console.run(main)
