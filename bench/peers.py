"""The libraries that are compared: how each runs the scan of a case.

Each gets an array of its own kind beforehand, and what saves it time: a preallocated
output if it can use one, compilation, threads.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import loops, native
from bench.cases import Case
from bench.inputs import Array

# From this size on, fresh memory costs NumPy more than an output argument.
WORTH_REUSING = 1 << 20  # bytes

Scan = Callable[[], Any]


class UnsupportedError(Exception):
    """A library cannot do a case; the text says why."""


class Upsweep:
    """This library, result buffer included."""

    name = "upsweep"

    def __init__(self, device: str) -> None:
        self.module: Any = importlib.import_module("upsweep")
        self.device = device
        self.module.set_default_device(getattr(self.module, device))
        self.version: str = self.module.__version__

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans and waits for the result."""
        check_dtype(case, self.device)
        function, wait = getattr(self.module, case.op), self.module.eval
        a = self.module.array(x).astype(getattr(self.module, case.dtype))
        return evaluated(function, wait, a, case)

    def read(self, y: Any) -> Array:
        """A result as NumPy's array, bfloat16 as float32."""
        if y.dtype == self.module.bfloat16:
            y = y.astype(self.module.float32)
        return np.asarray(y)


class NumPy:
    """NumPy: flipped views for reverse, views one further for exclusive scans."""

    name = "NumPy"

    def __init__(self) -> None:
        self.version = np.__version__

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans."""
        if case.dtype == "bfloat16":
            x = x.astype(importlib.import_module("ml_dtypes").bfloat16)
        named: dict[str, Any] = {"cumprod": np.cumprod, "cumsum": np.cumsum}
        function = named.get(case.op, np.maximum.accumulate)
        # By default NumPy widens small integers.
        if plain(case) and x.nbytes < WORTH_REUSING and x.dtype.kind == "f":
            return lambda: function(x, case.axis)
        y = np.ones_like(x)
        source, target = x, y
        if case.reverse:
            source, target = np.flip(x, case.axis), np.flip(y, case.axis)
        if not case.inclusive:
            source, target = shifted(case.axis, source, target)
        return lambda: (function(source, case.axis, x.dtype, target), y)[1]

    def read(self, y: Array) -> Array:
        """A result, bfloat16 as float32."""
        return y.astype(np.float32) if y.dtype.name == "bfloat16" else y


class PyTorch:
    """PyTorch: flipped copies for reverse, views one further for exclusive scans."""

    name = "PyTorch"

    def __init__(self, threads: int) -> None:
        self.module: Any = importlib.import_module("torch")
        self.module.set_num_threads(threads)
        self.version: str = self.module.__version__

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans."""
        torch, axis = self.module, case.axis
        t = torch.tensor(x).to(getattr(torch, case.dtype))
        function = getattr(torch, case.op)
        if case.op == "cummax":
            return lambda: function(t, axis).values
        if case.reverse:
            return lambda: function(t.flip(axis), axis).flip(axis)
        y = torch.ones_like(t)
        source, target = t, y
        if not case.inclusive:
            source, target = shifted(case.axis, t, y)
        return lambda: (function(source, axis, out=target), y)[1]

    def read(self, y: Any) -> Array:
        """A result as NumPy's array, bfloat16 as float32."""
        y = y.float() if y.dtype == self.module.bfloat16 else y
        return np.asarray(y.numpy())


class MLX:
    """MLX on the same device."""

    name = "MLX"

    def __init__(self, device: str) -> None:
        self.module: Any = importlib.import_module("mlx.core")
        self.device = device
        if not self.module.is_available(getattr(self.module, device)):
            raise ImportError(f"MLX has no {device} here")
        self.module.set_default_device(getattr(self.module, device))
        self.version: str = self.module.__version__

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans and waits for the result."""
        check_dtype(case, self.device)
        function, wait = getattr(self.module, case.op), self.module.eval
        a = self.module.array(x, getattr(self.module, case.dtype))
        wait(a)
        return evaluated(function, wait, a, case)

    def read(self, y: Any) -> Array:
        """A result as NumPy's array, bfloat16 as float32."""
        if y.dtype == self.module.bfloat16:
            y = y.astype(self.module.float32)
        return np.asarray(y)


class JAX:
    """JAX on the CPU, compiled."""

    name = "JAX"

    def __init__(self) -> None:
        self.module: Any = importlib.import_module("jax")
        self.module.config.update("jax_enable_x64", True)
        self.version: str = self.module.__version__

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans and waits for the result."""
        jax, jnp, axis = self.module, self.module.numpy, case.axis
        function = getattr(jax.lax, case.op)
        j = jnp.asarray(x, getattr(jnp, case.dtype))

        def scan(a: Any) -> Any:
            if not case.inclusive:
                edge = jnp.ones_like(jax.lax.slice_in_dim(a, 0, 1, axis=axis))
                a = jax.lax.slice_in_dim(a, 0, -1, axis=axis)
                a = jnp.concatenate([edge, a], axis)
            return function(a, axis=axis, reverse=case.reverse)

        compiled = jax.jit(scan)
        return lambda: compiled(j).block_until_ready()

    def read(self, y: Any) -> Array:
        """A result as NumPy's array, bfloat16 as float32."""
        wide = self.module.numpy.float32 if y.dtype.name == "bfloat16" else y.dtype
        return np.asarray(y.astype(wide))


class Numba:
    """A compiled Python loop; threads share independent lines."""

    name = "numba"

    def __init__(self) -> None:
        self.module: Any = importlib.import_module("numba")
        self.version: str = self.module.__version__

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans."""
        if case.dtype in ("float16", "bfloat16"):
            raise UnsupportedError(f"numba has no {case.dtype} arithmetic on the CPU")
        y = np.ones_like(x)
        source, target = (a.reshape(case.lines) for a in (x, y))
        if case.reverse:
            source, target = source[:, ::-1], target[:, ::-1]
        if not case.inclusive:
            source, target = source[:, :-1], target[:, 1:]
        loop = loops.compiled(self.module, case.op, case.lines)
        return lambda: (loop(source, target), y)[1]

    def read(self, y: Array) -> Array:
        """The result."""
        return y


class PlainLoop:
    """A loop in C, by one thread."""

    name = "C loop"

    def __init__(self) -> None:
        functions = native.load()
        if functions is None:
            raise ImportError("no C compiler")
        self.function: Any = functions.running_products
        self.version = ""

    def scan(self, case: Case, x: Array) -> Scan:
        """A function that scans."""
        one_row = case.lines[0] == case.lines[2] == 1 and plain(case)
        if not one_row or (case.op, case.dtype) != ("cumprod", "float32"):
            raise UnsupportedError("written for a row of float32 only")
        y = np.empty_like(x)
        arguments = x.ctypes.data, y.ctypes.data, x.size
        return lambda: (self.function(*arguments), y, x)[1]

    def read(self, y: Array) -> Array:
        """The result."""
        return y


def check_dtype(case: Case, device: str) -> None:
    """Raises if the device does not support the dtype."""
    if device == "gpu" and case.dtype == "float64":
        raise UnsupportedError("a GPU of this kind has no float64")


def evaluated(
    function: Callable[..., Any], wait: Callable[[Any], None], a: Any, case: Case
) -> Scan:
    """Calls a scan with MLX's signature and waits for its result."""
    axis = case.axis
    options = {"reverse": case.reverse, "inclusive": case.inclusive}
    options = {} if plain(case) else options

    def scan() -> Any:
        y = function(a, axis, **options)
        wait(y)
        return y

    return scan


def plain(case: Case) -> bool:
    """Whether the scan is forward and inclusive."""
    return case.inclusive and not case.reverse


def shifted(axis: int, source: Any, target: Any) -> tuple[Any, Any]:
    """Views that make an inclusive scan into an exclusive one."""
    whole = (slice(None),) * axis
    without_last, without_first = (*whole, slice(-1)), (*whole, slice(1, None))
    return source[without_last], target[without_first]


Peer = Upsweep | NumPy | PyTorch | MLX | JAX | Numba | PlainLoop


def installed(
    wanted: list[str], device: str, threads: int
) -> tuple[list[Peer], dict[str, str]]:
    """The peers that are installed, and why the others are not."""
    makers: dict[str, Callable[[], Peer]] = {
        "upsweep": lambda: Upsweep(device),
        "NumPy": NumPy,
        "PyTorch": lambda: PyTorch(threads),
        "MLX": lambda: MLX(device),
        "JAX": JAX,
        "numba": Numba,
        "C loop": PlainLoop,
    }
    found: list[Peer] = []
    missing = {}
    for name in makers:
        if name not in wanted:
            continue
        try:
            found.append(makers[name]())
        except ImportError as error:
            missing[name] = str(error)
    return found, missing
