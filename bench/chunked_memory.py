"""The memory that a scan of a Dask array takes, and the ordering of its graph, each in
a process of its own."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import dask
from dask.diagnostics import ProgressBar
from dask.order import order

from bench.chunked_scans import largest

PERIOD = 0.2  # seconds between two samples


class Memory:
    """Samples the resident memory of this process, in bytes."""

    def __init__(self, period: float = PERIOD) -> None:
        self.period, self.ended = period, threading.Event()
        self.process: Any = importlib.import_module("psutil").Process()
        self.samples: list[int] = []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        """Samples until the end."""
        while not self.ended.wait(self.period):
            self.sample()

    def sample(self) -> None:
        """Takes a sample."""
        self.samples.append(self.process.memory_info().rss)

    def __enter__(self) -> Memory:
        self.sample()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.sample()


def of_scan(scan: str, elements: int, chunk: int, workers: int) -> dict[str, Any]:
    """The time and the memory of one scan."""
    chunks = -(-elements // chunk)
    with dask.config.set(scheduler="threads", num_workers=workers):
        largest(scan, 4, 2).compute()  # what is imported and made once
        start = time.perf_counter()
        with Memory() as memory, ProgressBar(out=sys.stderr):
            largest(scan, elements, chunks).compute()
    growth = max(memory.samples) - memory.samples[0]
    return {
        "scan": scan,
        "chunks": chunks,
        "input_bytes": 4 * elements,
        "chunk_bytes": 4 * chunk,
        "seconds": time.perf_counter() - start,
        "growth_bytes": growth,
        "chunks_at_the_peak": growth / (4 * chunk),
        "period": memory.period,
        "samples": memory.samples,
    }


def of_order(scan: str, elements: int, chunks: int) -> dict[str, Any]:
    """The time and the memory in which Dask orders the tasks, before the first one."""
    graph = dict(dask.optimize(largest(scan, elements, chunks))[0].__dask_graph__())
    start = time.perf_counter()
    with Memory() as memory:
        order(graph)
    return {
        "scan": scan,
        "chunks": chunks,
        "tasks": len(graph),
        "seconds": time.perf_counter() - start,
        "growth_bytes": max(memory.samples) - memory.samples[0],
    }


def alone(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a function of this file returns in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()
