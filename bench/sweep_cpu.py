"""Measures cases of the sweep on the CPU, by the clock on the wall, in this process.

The copy is the fastest of several: of contiguous elements as in copying.py, of others
by NumPy, by NumPy in parts that threads share, and by PyTorch.
"""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import upsweep

from bench import machine
from bench.copying import WORTH_SHARING, Copier
from bench.inputs import Array
from bench.peers import Scan
from bench.sweep_cases import Drawn
from bench.sweep_peers import numpy_scan, torch_scan, upsweep_scan
from bench.sweep_values import numpy_base, view
from bench.timing import Timing, elapsed, interleaved

SECONDS = 0.3  # of timing for each case; slow ones take longer
PACKED = ("contiguous", "offset", "reversed")  # elements without gaps


class Cpu:
    """Threads, and the libraries that are installed."""

    def __init__(self, threads: int, quick: bool) -> None:
        self.threads = threads
        self.seconds = 0 if quick else SECONDS
        self.pool = ThreadPoolExecutor(threads)
        upsweep.set_num_threads(threads)
        self.versions = {"upsweep": upsweep.__version__, "NumPy": np.__version__}
        self.missing: dict[str, str] = {}
        self.torch: Any = None
        try:
            self.torch = importlib.import_module("torch")
            self.torch.set_num_threads(threads)
            self.versions["PyTorch"] = self.torch.__version__
        except ImportError as error:
            self.missing["PyTorch"] = str(error)

    def prepared(self, case: Drawn) -> tuple[dict[str, Scan], dict[str, Any]]:
        """The copies, and for each library what makes its scan."""
        base = numpy_base(case)
        x = view(base, case)
        tensor = self.tensor(base) if self.torch else None
        makers = {"upsweep": lambda: self.waiting(case, base)}
        makers["NumPy"] = lambda: numpy_scan(case, x)
        if tensor is not None:
            makers["PyTorch"] = lambda: torch_scan(self.torch, case, tensor)
        return self.copies(case, base, tensor), makers

    def waiting(self, case: Drawn, base: Array) -> Scan:
        """upsweep's scan until its result is there."""
        a = view(upsweep.asarray(base), case)
        scan, wait = upsweep_scan(case, a, upsweep.cpu), upsweep.eval

        def call() -> Any:
            y = scan()
            wait(y)
            return y

        return call

    def tensor(self, base: Array) -> Any:
        """PyTorch's view of memory."""
        if base.dtype.name == "bfloat16":
            words = self.torch.from_numpy(base.view(np.int16))
            return words.view(self.torch.bfloat16)
        return self.torch.from_numpy(base)

    def copies(self, case: Drawn, base: Array, tensor: Any) -> dict[str, Scan]:
        """The ways to copy, by name."""
        same = case.result_dtype == case.dtype
        if case.layout in PACKED and same:
            elements = base.reshape(-1)[base.size - case.size :]
            return Copier(elements, case.nbytes, self.threads).ways()
        # A copy forwards moves the same bytes as one of a reversed input.
        x = base if case.layout == "reversed" else view(base, case)
        y = np.empty(case.shape, base.dtype if same else case.result_dtype)
        y.fill(0)
        ways: dict[str, Scan] = {"NumPy's copy": lambda: np.copyto(y, x, "unsafe")}
        if self.threads > 1 and y.nbytes >= WORTH_SHARING:
            ways[f"NumPy's copy, {self.threads} threads"] = self.shared(x, y)
        if tensor is not None:
            t = tensor if case.layout == "reversed" else view(tensor, case)
            target = self.tensor(y)
            ways["PyTorch's copy"] = lambda: target.copy_(t)
        return ways

    def shared(self, x: Array, y: Array) -> Scan:
        """A copy in parts of the longest axis."""
        axis = y.shape.index(max(y.shape))
        xs, ys = (np.array_split(a, self.threads, axis) for a in (x, y))

        def copy_part(k: int) -> None:
            np.copyto(ys[k], xs[k], "unsafe")

        return lambda: list(self.pool.map(copy_part, range(self.threads)))

    def once(self, call: Scan) -> float:
        """Seconds of one call."""
        return elapsed(call)

    def interleaved(self, calls: dict[str, Scan]) -> dict[str, Timing]:
        """Times calls in turns."""
        return interleaved(calls, self.seconds)

    def clear(self) -> None:
        """Gives memory back."""
        upsweep.clear_cache()

    def where(self) -> dict[str, Any]:
        """The machine, as data."""
        isa = upsweep.device_info(upsweep.cpu)["isa"]
        return {"machine": machine.description(), "instruction_set": isa}
