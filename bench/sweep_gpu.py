"""Measures cases of the sweep on an NVIDIA GPU, by events on its stream, as cuda.py
does. The copy is PyTorch's, into a contiguous tensor."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import upsweep

from bench import machine
from bench.cuda import Cub, Gpu
from bench.peers import Scan
from bench.sweep_cases import Drawn
from bench.sweep_peers import cupy_scan, torch_scan, upsweep_scan
from bench.sweep_values import torch_base, view
from bench.timing import Timing


class Cuda:
    """The GPU, and the libraries that are installed."""

    def __init__(self) -> None:
        self.gpu = Gpu()
        self.torch = self.gpu.torch
        self.versions = {
            "upsweep": upsweep.__version__,
            "PyTorch": self.torch.__version__,
        }
        self.missing: dict[str, str] = {}
        self.cupy: Any = self.found("CuPy", lambda: importlib.import_module("cupy"))
        self.cub: Any = self.found("CUB", Cub)
        if self.cupy:
            self.versions["CuPy"] = self.cupy.__version__
        if self.cub:
            self.versions["CUB"] = self.cub.version

    def found(self, name: str, make: Callable[[], Any]) -> Any:
        """What is installed, or None."""
        try:
            return make()
        except ImportError as error:
            self.missing[name] = str(error)
            return None

    def prepared(self, case: Drawn) -> tuple[dict[str, Scan], dict[str, Any]]:
        """The copy, and for each library what makes its scan."""
        torch, base = self.torch, torch_base(self.torch, case, "cuda")
        dtype = getattr(torch, case.result_dtype)
        target = torch.empty(case.shape, dtype=dtype, device="cuda")
        # A copy forwards moves the same bytes as one of a reversed input.
        x = base if case.layout == "reversed" else view(base, case)
        on = upsweep.Device(upsweep.gpu, 0)
        makers = {
            "upsweep": lambda: upsweep_scan(
                case, view(upsweep.from_dlpack(base), case), on
            ),
            "PyTorch": lambda: torch_scan(torch, case, base),
        }
        if case.op in ("cumprod", "cumsum"):
            if self.cupy:
                address = self.gpu.address
                makers["CuPy"] = lambda: cupy_scan(self.cupy, case, base, address)
            if self.cub and case.layout in ("contiguous", "offset"):
                makers["CUB"] = lambda: self.cub.scan(self.gpu, case, x)
        return {"copy": lambda: target.copy_(x)}, makers

    def once(self, call: Scan) -> float:
        """Seconds of one call, after what other streams do for it."""
        self.torch.cuda.synchronize()
        return self.gpu.elapsed(call)

    def interleaved(self, calls: dict[str, Scan]) -> dict[str, Timing]:
        """Times calls in turns."""
        return self.gpu.interleaved(calls)

    def clear(self) -> None:
        """Gives memory back."""
        self.torch.cuda.empty_cache()
        if self.cupy:
            self.cupy.get_default_memory_pool().free_all_blocks()
        upsweep.clear_cache()

    def where(self) -> dict[str, Any]:
        """The machine, as data."""
        info = upsweep.device_info(upsweep.gpu)
        return {
            "machine": machine.description() | {"gpu": info["device_name"]},
            "instruction_set": info["architecture"],
        }
