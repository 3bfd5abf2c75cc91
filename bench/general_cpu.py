"""How libraries on the CPU do the tasks of general.py: each the fastest plain way that
its users have."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import upsweep

from bench.copying import Copier
from bench.inputs import Array
from bench.timing import Call

LONGEST_LOOP = 1 << 16  # steps that a loop in Python may take
DECAY = 0.9


class Library:
    """A library; `call` gives a function, or why there is none."""

    name = ""
    version = ""

    def call(self, task: Any) -> Call | str:
        """What does the task."""
        make: Callable[[Any], Call | str] | None = getattr(self, task.what, None)
        return make(task) if make else "has no such function"

    def read(self, y: Any) -> Any:
        """A result as NumPy's arrays."""
        return y


class Copy(Library):
    """The yardstick: the input, copied."""

    name = "copy"

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def call(self, task: Any) -> Call | str:
        """The usual way: all threads."""
        x = task.arrays["x"]
        ways = list(Copier(x, x.nbytes, self.threads).ways().values())
        return ways[-1]


class Upsweep(Library):
    """This library; results are allocated."""

    name = "upsweep"

    def __init__(self, device: str = "cpu") -> None:
        self.version = upsweep.__version__
        self.device = getattr(upsweep, device)

    def call(self, task: Any) -> Call | str:
        """What does the task, and waits for the result."""
        x, a = (self.array(task.arrays[name]) for name in ("x", "a"))
        axis, s = task.axis, self.device
        if task.what == "plain":
            return self.waiting(lambda: upsweep.cumprod(x, axis, stream=s))
        if task.what == "initial":
            before = np.full((1, *task.arrays["x"].shape[1:]), 2, np.float32)
            carry = upsweep.carry(before, "prod", 0, stream=s)
            return self.waiting(
                lambda: upsweep.scan(x, "prod", axis, initial=carry, stream=s)
            )
        if task.what == "carry":
            return self.waiting(lambda: upsweep.carry(x, "prod", axis, stream=s))
        if task.what == "segments":
            starts = self.array(task.arrays["starts"])
            return self.waiting(
                lambda: upsweep.scan(x, "prod", axis, reset=starts, stream=s)
            )
        if task.what == "recurrence":
            return self.waiting(lambda: upsweep.linear_recurrence(a, x, axis, stream=s))
        if task.what == "filter":
            decay = self.array(np.float32(DECAY))
            return self.waiting(
                lambda: upsweep.linear_recurrence(decay, x, axis, stream=s)
            )
        if task.what == "frexp":
            return self.waiting(lambda: upsweep.cumprod_frexp(x, axis, stream=s))
        options: dict[str, Any] = {task.what: True}
        return self.waiting(lambda: upsweep.scan(x, "prod", axis, stream=s, **options))

    def array(self, x: Any) -> Any:
        """An array on the device."""
        with upsweep.stream(self.device):
            return upsweep.array(x)

    def waiting(self, call: Call) -> Call:
        """The call until its result is there."""

        def run() -> object:
            y = call()
            upsweep.synchronize(self.device)
            return y

        return run

    def read(self, y: Any) -> Any:
        """A result as NumPy's arrays."""
        return tuple(map(np.asarray, y)) if isinstance(y, tuple) else np.asarray(y)


class NumPy(Library):
    """NumPy, with a preallocated result; segments are a loop in Python."""

    name = "NumPy"

    def __init__(self) -> None:
        self.version = np.__version__

    def plain(self, task: Any) -> Call:
        """cumprod."""
        x = task.arrays["x"]
        y = np.ones_like(x)
        return lambda: np.cumprod(x, task.axis, out=y)

    def initial(self, task: Any) -> Call:
        """Multiplies afterwards, which is wrong where a product leaves the range."""
        x = task.arrays["x"]
        y = np.ones_like(x)
        return lambda: np.multiply(
            np.cumprod(x, task.axis, out=y), np.float32(2), out=y
        )

    def carry(self, task: Any) -> Call:
        """A product."""
        x = task.arrays["x"]
        return lambda: np.multiply.reduce(x, task.axis)

    def segments(self, task: Any) -> Call:
        """One call for each."""
        x = task.arrays["x"]
        y: Array = np.ones_like(x)
        ends = [0, *np.flatnonzero(task.arrays["starts"]), x.size]
        parts = [(x[i:j], y[i:j]) for i, j in pairwise(ends)]

        def run() -> Array:
            for source, target in parts:
                np.cumprod(source, out=target)
            return y

        return run

    def frexp(self, task: Any) -> Call:
        """Sums of logarithms in float64, taken apart."""
        x = task.arrays["x"]

        def run() -> object:
            logarithms = np.cumsum(np.log2(x.astype(np.float64)), task.axis)
            exponent = np.floor(logarithms) + 1
            return np.exp2(logarithms - exponent).astype(np.float32), exponent.astype(
                "i4"
            )

        return run

    def skipna(self, task: Any) -> Call:
        """nancumprod."""
        x = task.arrays["x"]
        return lambda: np.nancumprod(x, task.axis)

    def include_initial(self, task: Any) -> Call | str:
        """The array API's function."""
        if not hasattr(np, "cumulative_prod"):
            return "needs NumPy 2.1"
        x = task.arrays["x"]
        return lambda: np.cumulative_prod(x, axis=task.axis, include_initial=True)


class Torch(Library):
    """PyTorch: loops in Python for segments and recurrences."""

    name = "PyTorch"

    def __init__(self, device: str, threads: int = 0) -> None:
        self.torch: Any = importlib.import_module("torch")
        if threads:
            self.torch.set_num_threads(threads)
        self.version = self.torch.__version__
        self.device = device

    def tensor(self, x: Array) -> Any:
        """A tensor on the device."""
        return self.torch.tensor(x, device=self.device)

    def waiting(self, call: Call) -> Call:
        """The call until its result is there."""
        if self.device == "cpu":
            return call

        def run() -> object:
            y = call()
            self.torch.cuda.synchronize()
            return y

        return run

    def read(self, y: Any) -> Any:
        """A result as NumPy's arrays."""
        return y.cpu().numpy()

    def plain(self, task: Any) -> Call:
        """cumprod."""
        x = self.tensor(task.arrays["x"])
        return self.waiting(lambda: x.cumprod(task.axis))

    def initial(self, task: Any) -> Call:
        """Multiplies afterwards, which is wrong where a product leaves the range."""
        x = self.tensor(task.arrays["x"])
        return self.waiting(lambda: x.cumprod(task.axis).mul_(2))

    def carry(self, task: Any) -> Call:
        """A product."""
        x = self.tensor(task.arrays["x"])
        return self.waiting(lambda: x.prod(task.axis))

    def segments(self, task: Any) -> Call:
        """One call for each."""
        torch, x = self.torch, self.tensor(task.arrays["x"])
        y = torch.ones_like(x)
        ends = [0, *np.flatnonzero(task.arrays["starts"]), x.numel()]
        parts = [(x[i:j], y[i:j]) for i, j in pairwise(ends)]

        def run() -> Any:
            for source, target in parts:
                torch.cumprod(source, 0, out=target)
            return y

        return self.waiting(run)

    def recurrence(self, task: Any) -> Call | str:
        """A loop over the steps, vectorised over lines."""
        if max(task.shape) > LONGEST_LOOP:
            return "a loop in Python of so many steps takes minutes"
        a, b = self.tensor(task.arrays["a"]), self.tensor(task.arrays["x"])
        h = self.torch.zeros_like(b)
        steps = [z.unbind(task.axis) for z in (a, b, h)]

        def run() -> Any:
            state = self.torch.zeros_like(steps[1][0])
            for factor, term, result in zip(*steps, strict=True):
                state = self.torch.addcmul(term, factor, state, out=result)
            return h

        return self.waiting(run)

    def include_initial(self, task: Any) -> Call:
        """Concatenates."""
        torch, x = self.torch, self.tensor(task.arrays["x"])
        edge = torch.ones_like(x.narrow(task.axis, 0, 1))
        return self.waiting(lambda: torch.cat([edge, x.cumprod(task.axis)], task.axis))


class JAX(Library):
    """JAX, compiled: associative_scan for segments and recurrences."""

    name = "JAX"

    def __init__(self) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.version = self.jax.__version__

    def read(self, y: Any) -> Any:
        """A result as NumPy's array."""
        return np.asarray(y)

    def compiled(self, function: Callable[..., Any], *arrays: Array) -> Call:
        """The function of arrays on the device, until its result is there."""
        fast = self.jax.jit(function)
        inputs = [self.jax.device_put(x) for x in arrays]
        return lambda: fast(*inputs).block_until_ready()

    def plain(self, task: Any) -> Call:
        """jax.lax.cumprod."""
        return self.compiled(
            lambda x: self.jax.lax.cumprod(x, task.axis), task.arrays["x"]
        )

    def carry(self, task: Any) -> Call:
        """A product."""
        return self.compiled(lambda x: x.prod(task.axis), task.arrays["x"])

    def segments(self, task: Any) -> Call:
        """Pairs of a flag and a product."""

        def combine(left: Any, right: Any) -> Any:
            (f, p), (g, q) = left, right
            return f | g, self.jax.numpy.where(g, q, p * q)

        def run(starts: Any, x: Any) -> Any:
            return self.jax.lax.associative_scan(combine, (starts, x), axis=task.axis)[
                1
            ]

        return self.compiled(run, task.arrays["starts"], task.arrays["x"])

    def recurrence(self, task: Any) -> Call:
        """With factors of their own."""
        return self.affine(task, task.arrays["a"])

    def filter(self, task: Any) -> Call:
        """With equal factors."""
        return self.affine(task, np.full_like(task.arrays["x"], DECAY))

    def affine(self, task: Any, factors: Array) -> Call:
        """Pairs of a factor and a term."""

        def combine(left: Any, right: Any) -> Any:
            (a, b), (c, d) = left, right
            return a * c, b * c + d

        def run(a: Any, x: Any) -> Any:
            return self.jax.lax.associative_scan(combine, (a, x), axis=task.axis)[1]

        return self.compiled(run, factors, task.arrays["x"])


class Numba(Library):
    """Compiled loops; threads share lines."""

    name = "numba"

    def __init__(self) -> None:
        self.numba: Any = importlib.import_module("numba")
        self.version = self.numba.__version__

    def loop(self, body: Callable[..., None], task: Any, *arrays: Array) -> Call:
        """Calls the compiled loop on (lines, length, columns)."""
        outer = task.shape[0] if len(task.shape) > 1 and task.axis == 1 else 1
        inner = task.shape[1] if len(task.shape) > 1 and task.axis == 0 else 1
        lines = (outer, max(task.shape), inner)
        parallel = outer > 1
        turns = self.numba.prange if parallel else range
        fast = self.numba.njit(parallel=parallel, fastmath=False)(body_of(body, turns))
        y = np.ones_like(task.arrays["x"])
        given = [x.reshape(lines) for x in (*arrays, y)]
        return lambda: (fast(*given), y)[1]

    def plain(self, task: Any) -> Call:
        """A running product."""
        return self.loop(product_step, task, task.arrays["x"], task.arrays["x"])

    def segments(self, task: Any) -> Call:
        """A running product that starts afresh here and there."""
        return self.loop(segment_step, task, task.arrays["starts"], task.arrays["x"])

    def recurrence(self, task: Any) -> Call:
        """The recurrence as it is written."""
        return self.loop(recurrence_step, task, task.arrays["a"], task.arrays["x"])

    def filter(self, task: Any) -> Call:
        """The same with equal factors."""
        a = np.broadcast_to(np.float32(DECAY), task.shape)
        return self.loop(recurrence_step, task, a, task.arrays["x"])


def product_step(_: Any, x: Any, before: Any) -> Any:
    """before · x."""
    return before * x


def segment_step(starts: Any, x: Any, before: Any) -> Any:
    """A product that starts afresh."""
    return x if starts else before * x


def recurrence_step(a: Any, x: Any, before: Any) -> Any:
    """a · before + x."""
    return a * before + x


def body_of(step: Callable[..., Any], turns: Any) -> Callable[..., None]:
    """The loop around a step."""
    numba = importlib.import_module("numba")
    fast = numba.njit(inline="always")(step)
    start = np.float32(0 if step is recurrence_step else 1)

    def run(a: Array, x: Array, y: Array) -> None:
        for i in turns(x.shape[0]):
            for k in range(x.shape[2]):
                y[i, 0, k] = fast(a[i, 0, k], x[i, 0, k], start)
            for j in range(1, x.shape[1]):
                for k in range(x.shape[2]):
                    y[i, j, k] = fast(a[i, j, k], x[i, j, k], y[i, j - 1, k])

    return run


class SciPy(Library):
    """lfilter, for equal factors."""

    name = "SciPy"

    def __init__(self) -> None:
        self.signal: Any = importlib.import_module("scipy.signal")
        self.version = importlib.import_module("scipy").__version__

    def filter(self, task: Any) -> Call:
        """A filter with one pole."""
        x = task.arrays["x"]
        b, a = np.array([1], "f4"), np.array([1, -DECAY], "f4")
        return lambda: self.signal.lfilter(b, a, x, task.axis)


def cpu_libraries(threads: int) -> list[Library]:
    """Those that are installed."""
    makers: list[Callable[[], Library]] = [
        lambda: Copy(threads),
        Upsweep,
        NumPy,
        lambda: Torch("cpu", threads),
        JAX,
        Numba,
        SciPy,
    ]
    found = []
    for make in makers:
        try:
            found.append(make())
        except ImportError as error:
            print(f"missing: {error}")
    return found
