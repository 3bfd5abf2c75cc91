"""Copies of the same bytes: the yardstick of a scan.

The target is allocated beforehand. The fastest of these counts: memcpy by one thread,
by all threads, and by all threads with stores that bypass the cache (memcpy takes such
stores itself for large blocks, but not with every libc).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bench import native
from bench.inputs import Array

PAGE = 4096
WORTH_SHARING = 1 << 20  # bytes

Copy = Callable[[int, int, int], Any]


def memcpy() -> Copy:
    """The C library's. Calls release the GIL."""
    function = ctypes.CDLL(None).memcpy
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    function.restype = ctypes.c_void_p
    copy: Copy = function
    return copy


class Copier:
    """Copies the first nbytes of an array."""

    def __init__(self, x: Array, nbytes: int, threads: int) -> None:
        self.input, self.nbytes, self.threads = x, nbytes, threads
        # Unlike zeros, which the system hands out, these get huge pages.
        self.room = np.empty(nbytes + PAGE, np.uint8)
        self.room.fill(0)
        self.source, target = x.ctypes.data, self.room.ctypes.data
        self.target = target + -target % PAGE

    def ways(self) -> dict[str, Callable[[], object]]:
        """The ways worth trying, by name."""
        ways = {"memcpy": self.alone(memcpy())}
        if self.nbytes < WORTH_SHARING:
            return ways
        plural = "s" * (self.threads > 1)
        if self.threads > 1:
            ways[f"memcpy, {self.threads} threads"] = self.shared(memcpy())
        functions = native.load()
        if functions is not None:
            name = f"streaming, {self.threads} thread{plural}"
            ways[name] = self.shared(functions.stream_copy)
        return ways

    def alone(self, copy: Copy) -> Callable[[], object]:
        """By the calling thread."""
        return lambda: copy(self.target, self.source, self.nbytes)

    def shared(self, copy: Copy) -> Callable[[], object]:
        """Equal parts, by threads that are already running."""
        pool = ThreadPoolExecutor(self.threads)
        part = -(-self.nbytes // self.threads // PAGE) * PAGE

        def copy_part(start: int) -> None:
            size = min(part, self.nbytes - start)
            copy(self.target + start, self.source + start, size)

        return lambda: list(pool.map(copy_part, range(0, self.nbytes, part)))
