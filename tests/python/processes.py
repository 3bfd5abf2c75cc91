"""Runs distributed_worker.py in several processes, and checks what they leave."""

import json
import os
import subprocess
from pathlib import Path

import distributed_worker
import numpy as np
import oracle
from support import SCANS, with_canonical_nan

WORKER = Path(distributed_worker.__file__)


def run_processes(commands, **environment):
    """Runs one command for each process; none may fail."""
    path = os.pathsep.join(filter(None, (
        str(WORKER.parent), os.environ.get("PYTHONPATH"))))  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": path, "UPSWEEP_NUM_THREADS": "1", **environment,
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            command, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for command in commands
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output


def check_results(folder, size, dtypes=("float16", "float32", "float64")):
    checked = 0
    for number, (op, x, _, options) in enumerate(distributed_worker.cases(size)):
        if x.dtype.name not in dtypes:
            continue
        parts = [np.load(folder / f"{number}-{rank}.npy") for rank in range(size)]
        y = with_canonical_nan(np.concatenate(parts, axis=options["axis"] or 0))
        oracle.check(SCANS[op], x, y, **options)
        checked += 1
    assert checked >= 14


def check_failures(folder, size):
    wrong = [
        "must have the same shape",
        "must have the same dtype",
        "must have the same op",
        "initial has shape",
        "reset has shape",
    ]
    for rank in range(size):
        said = json.loads((folder / f"failures-{rank}.json").read_text())
        for message, part in zip(said, wrong, strict=True):
            assert part in message
        # Where one process fails, it raises its own error, and the others name it.
        assert said[4].startswith("ValueError" if rank == 1 else "RuntimeError")
        assert ("Process 1 failed" in said[4]) == (rank != 1)
