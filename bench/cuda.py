"""Measures on an NVIDIA GPU: PyTorch makes the inputs there and times calls by events
around them on the GPU's stream.

A call finds its input in GPU memory and must allocate its result. The GPU is kept busy
until the call has been made, so that only GPU time is measured. Errors are those of a
line, or of its start.
"""

from __future__ import annotations

import datetime
import importlib
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import upsweep

from bench import inputs, machine, native
from bench.cases import CUDA_CASES, Case, selected
from bench.inputs import Array
from bench.oracle import Oracle
from bench.session import Options, Progress
from bench.timing import Timing

Scan = Callable[[], Any]

ROUNDS, FEW = 15, 2
SLOW = 20e-3  # seconds: for slower calls a few rounds are enough
CHECKED = 1 << 18  # elements of a line whose errors are checked
WARM_UP = 200_000  # cycles in which the call must be made
CALLS = 300  # to time a small scan over, on the CPU
SMALL = 1 << 16
GUESS = 5  # seconds for each case, until the first has shown how many
SPREAD = 1e-4  # of factors around 1


def is_there() -> bool:
    """Whether there is an NVIDIA GPU."""
    if not upsweep.is_available(upsweep.gpu):
        return False
    architecture = upsweep.device_info(upsweep.gpu)["architecture"]
    return str(architecture).startswith("sm_")


class Asked:
    """Learns upsweep's stream, as a DLPack producer does."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        self.stream = 0

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, *, stream: int, **_: Any) -> Any:
        self.stream = stream
        return self.tensor.__dlpack__(stream=stream)


class Gpu:
    """The stream of all work of the benchmark."""

    def __init__(self) -> None:
        self.torch: Any = importlib.import_module("torch")
        asked = Asked(self.torch.zeros(1, device="cuda"))
        upsweep.from_dlpack(asked)
        self.address = asked.stream
        self.stream = self.torch.cuda.ExternalStream(asked.stream)

    def elapsed(self, call: Scan) -> float:
        """Seconds of GPU time for a call."""
        cuda = self.torch.cuda
        before, after = (cuda.Event(enable_timing=True) for _ in range(2))
        with cuda.stream(self.stream):
            cuda._sleep(WARM_UP)
            before.record()
            result = call()
            after.record()
        after.synchronize()
        del result
        return float(before.elapsed_time(after)) / 1e3

    def interleaved(self, calls: dict[str, Scan]) -> dict[str, Timing]:
        """Times calls in turns, slow ones only in the first of them."""
        rounds = {}
        for name, call in calls.items():
            self.elapsed(call)
            rounds[name] = FEW if self.elapsed(call) > SLOW else ROUNDS
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(ROUNDS):
            for name, call in calls.items():
                if turn < rounds[name]:
                    taken[name].append(self.elapsed(call))
        return {name: Timing.of(seconds) for name, seconds in taken.items()}

    def make(self, case: Case) -> Any:
        """The input of a case, whose results stay in the range of its dtype."""
        torch = self.torch
        if case.values == "see-saw":
            return torch.tensor(inputs.SEE_SAW, device="cuda").tile(case.size // 4)
        generator = torch.Generator("cuda").manual_seed(2026)
        x = torch.empty(case.shape, device="cuda")
        if case.values == "log-normal":
            return x.log_normal_(0, 1, generator=generator)
        if case.values == "odd":
            x = torch.empty(case.shape, dtype=torch.int32, device="cuda")
            return x.random_(-(2**30), 2**30, generator=generator).mul_(2).add_(1)
        if case.values == "rising":
            return x.uniform_(0, 1, generator=generator).add_(
                torch.linspace(0, 9, case.size, device="cuda")
            )
        if case.values == "halving and doubling":
            k = torch.randint(-3, 4, case.shape, device="cuda", generator=generator)
            k[1::2] = -k[::2]
            return torch.ldexp(x.fill_(1), k).to(getattr(torch, case.dtype))
        x.uniform_(-SPREAD, SPREAD, generator=generator)
        if case.op == "cumsum":
            return x.abs_()
        if case.dtype == "complex64":
            return torch.polar(1 + x, 1e4 * x.flip(0))
        return x.add_(1)


class Upsweep:
    """This library."""

    name, version = "upsweep", upsweep.__version__

    def scan(self, gpu: Gpu, case: Case, x: Any) -> Scan | None:
        """A function that scans x."""
        function, a = getattr(upsweep, case.op), upsweep.from_dlpack(x)
        on = upsweep.Device(upsweep.gpu, 0)
        reverse, inclusive = case.reverse, case.inclusive
        return lambda: function(
            a, case.axis, reverse=reverse, inclusive=inclusive, stream=on
        )


class PyTorch:
    """PyTorch: flipped copies for reverse scans."""

    name = "PyTorch"

    def __init__(self) -> None:
        self.version = importlib.import_module("torch").__version__

    def scan(self, gpu: Gpu, case: Case, x: Any) -> Scan | None:
        """A function that scans x."""
        function, axis = getattr(gpu.torch, case.op), case.axis
        if not case.inclusive:
            y = gpu.torch.ones_like(x)
            return lambda: (function(x[:-1], axis, out=y[1:]), y)[1]
        if case.op == "cummax":
            return lambda: function(x, axis).values
        if case.reverse:
            return lambda: function(x.flip(axis), axis).flip(axis)
        # Left to itself, PyTorch widens integers.
        return lambda: function(x, axis, dtype=x.dtype)


class CuPy:
    """CuPy, which has no cummax and no bfloat16."""

    name = "CuPy"

    def __init__(self) -> None:
        self.module: Any = importlib.import_module("cupy")
        self.version = self.module.__version__

    def scan(self, gpu: Gpu, case: Case, x: Any) -> Scan | None:
        """A function that scans x."""
        if case.op == "cummax" or case.dtype == "bfloat16" or not plain(case):
            return None
        function, c = getattr(self.module, case.op), self.module.from_dlpack(x)

        def scan() -> Any:
            with self.module.cuda.ExternalStream(gpu.address):
                return function(c, case.axis, dtype=c.dtype)

        return scan


class Cub:
    """NVIDIA's cub::DeviceScan, for a row of float32."""

    name = "CUB"

    def __init__(self) -> None:
        functions = native.load_cub()
        if functions is None:
            raise ImportError("no nvcc to compile it")
        self.functions = functions
        self.version = str(functions.cub_version())

    def scan(self, gpu: Gpu, case: Case, x: Any) -> Scan | None:
        """A function that scans x."""
        row = len(case.shape) == 1 and plain(case) and case.dtype == "float32"
        if not row or case.op == "cummax":
            return None
        torch, function = gpu.torch, getattr(self.functions, case.op)
        room = torch.empty(1 << 24, dtype=torch.uint8, device="cuda")

        def scan() -> Any:
            y = torch.empty_like(x)
            code = function(
                *(t.data_ptr() for t in (x, y)), x.numel(), room.data_ptr(),
                room.numel(), gpu.address,
            )  # fmt: skip
            if code:
                raise RuntimeError(f"cub::DeviceScan returned {code}")
            return y

        return scan


MAKERS: dict[str, Callable[[], Any]] = {
    "upsweep": Upsweep,
    "PyTorch": PyTorch,
    "CuPy": CuPy,
    "CUB": Cub,
}


def plain(case: Case) -> bool:
    """Whether the scan is forward and inclusive."""
    return case.inclusive and not case.reverse


def installed(wanted: list[str]) -> tuple[list[Any], dict[str, str]]:
    """The peers that are there, and why the others are not."""
    found, missing = [], {}
    for name, maker in MAKERS.items():
        if name not in wanted and name != "CUB":
            continue
        try:
            found.append(maker())
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


def first_line(gpu: Gpu, case: Case, values: Any) -> Array:
    """The beginning of a line, in scan order, bfloat16 as float32."""
    t = gpu.torch.from_dlpack(values)
    if case.reverse:
        t = t.flip(case.axis)
    t = t.movedim(case.axis, -1).reshape(-1, case.shape[case.axis])[0, :CHECKED]
    t = t.float() if t.dtype == gpu.torch.bfloat16 else t
    line: Array = t.cpu().numpy()
    return line


def checked(gpu: Gpu, case: Case, x: Any, y: Any) -> dict[str, Any]:
    """The error of a result, and how many NaN it has."""
    t = gpu.torch.from_dlpack(y)
    nans = int(t.isnan().sum()) if t.dtype != gpu.torch.int32 else 0
    return {"ulp": error(case, first_line(gpu, case, x), first_line(gpu, case, y)),
            "nans": nans}  # fmt: skip


def error(case: Case, x: Array, y: Array) -> float | None:
    """The largest error of the results y of the line x in ulp; None if some are
    no numbers where the exact ones are."""
    line = replace(case, shape=x.shape, axis=0, reverse=False)
    if case.op == "cummax":
        return 0.0 if np.array_equal(y, np.maximum.accumulate(x)) else None
    if case.dtype in ("complex64", "float32") and case.values != "see-saw":
        wide = np.clongdouble if case.dtype == "complex64" else np.longdouble
        exact = getattr(np, case.op)(x.astype(wide))
        if not case.inclusive:
            exact, y = exact[:-1], y[1:]
        return float_error(exact, y)
    return Oracle(line, x).worst(y)


def float_error(exact: Array, y: Array) -> float | None:
    """Against extended precision; a product that leaves the range stays out."""
    size = np.abs(exact)
    out = (size > np.finfo(np.float32).max) | (size < 2.0**-150)
    first = int(out.argmax()) if out.any() else len(y)
    if first < len(y):
        left = np.float32(np.inf) if size[first] > 1 else np.float32(0)
        if not (np.abs(y[first:]) == left).all():
            return None
    exact, y, size = exact[:first], y[:first], size[:first]
    ulp = np.spacing(np.maximum(size, 2.0**-126).astype(np.float32))
    worst = float((np.abs(y - exact) / ulp).max(initial=0))
    return worst if np.isfinite(worst) else None


def copying(x: Any, target: Any) -> Scan:
    """A function that copies x."""
    return lambda: target.copy_(x)


def measured(gpu: Gpu, case: Case, peers: list[Any]) -> dict[str, Any]:
    """Times and errors of a case, as data."""
    x = gpu.make(case)
    target = gpu.torch.empty_like(x)
    calls: dict[str, Scan] = {"copy": copying(x, target)}
    results: dict[str, dict[str, Any]] = {}
    for peer in peers:
        scan = peer.scan(gpu, case, x)
        if scan is None:
            results[peer.name] = {"unsupported": "not offered"}
            continue
        with gpu.torch.cuda.stream(gpu.stream):
            y = scan()
        gpu.stream.synchronize()
        results[peer.name] = checked(gpu, case, x, y)
        calls[peer.name] = scan
        del y
    timings = gpu.interleaved(calls)
    for name, timing in timings.items():
        if name != "copy":
            results[name] |= asdict(timing)
    del x, target
    gpu.torch.cuda.empty_cache()
    upsweep.clear_cache()
    return case.described() | {
        "threads": 0,
        "copies": {"copy": asdict(timings["copy"])},
        "copy": "copy",
        "results": results,
    }


def whole_calls(gpu: Gpu) -> dict[str, float]:
    """Seconds of the processor for a scan of 2^16 elements, until it is there."""
    x = gpu.make(Case("small", (SMALL,), CUDA_CASES[0].target))
    a, on = upsweep.from_dlpack(x), upsweep.Device(upsweep.gpu, 0)
    calls: dict[str, Scan] = {
        "upsweep": lambda: upsweep.eval(upsweep.cumprod(a, 0, stream=on)),
        "PyTorch": lambda: (
            gpu.torch.cumprod(x, 0),
            gpu.torch.cuda.synchronize(),
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(CALLS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
            upsweep.synchronize(on)
    return {name: sorted(times)[len(times) // 2] for name, times in taken.items()}


def measure(options: Options) -> dict[str, Any]:
    """All cases, as data."""
    gpu = Gpu()
    cases = selected(options.parts, options.quick, CUDA_CASES)
    peers, missing = installed(options.peers)
    progress = Progress(cases, GUESS, per_element=0)
    done = []
    for case in cases:
        done.append(measured(gpu, case, peers))
        progress.finish(done[-1])
    return {
        "date": datetime.date.today().isoformat(),
        "device": options.device,
        "threads": 0,
        "quick": options.quick,
        "machine": machine.description()
        | {"gpu": upsweep.device_info(upsweep.gpu)["device_name"]},
        "instruction_set": upsweep.device_info(upsweep.gpu)["architecture"],
        "versions": {peer.name: peer.version for peer in peers},
        "missing": missing,
        "whole_call_seconds": whole_calls(gpu),
        "cases": done,
    }
