"""How XLA runs the primitives of upsweep.jax: by the handlers of the library
_xla_handlers or, where there are none, by a callback to Python."""

from __future__ import annotations

import ctypes
import pathlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.export
import numpy as np
from jax.interpreters import mlir

import upsweep

_LIBRARY = pathlib.Path(__file__).with_name("_xla_handlers.so")


@cache
def _library() -> ctypes.CDLL | None:
    return ctypes.CDLL(str(_LIBRARY)) if _LIBRARY.exists() else None


def has_handlers() -> bool:
    """Whether this build of upsweep has handlers, so that no callback is needed."""
    return _library() is not None


def _runs_on_gpu(dtype: Any) -> bool:
    """Whether this build of upsweep has a GPU that computes with the dtype."""
    return dtype != np.float64 and upsweep.is_available(upsweep.gpu)


def register(
    primitive: Any,
    name: str,
    compute: Callable[..., upsweep.array],
    of_three: Callable[..., Any] | None = None,
) -> None:
    """Gives a primitive its lowerings for all platforms.

    Args:
        primitive: The primitive; it has one result.
        name: What the handlers are called, without the platform.
        compute: The same with upsweep's arrays, for a callback.
        of_three: What to trace for CUDA if there is a third operand, which the handler
            would leave to the CPU, and wait for it.
    """

    def callback(*operands: Any, result: Any, **params: Any) -> Any:
        def on_host(*arrays: Any) -> Any:
            arrays = tuple(map(np.asarray, arrays))
            shape = np.broadcast_shapes(*(each.shape for each in arrays))
            each = (np.broadcast_to(one, shape) for one in arrays)
            return np.asarray(compute(*each, **params, stream=upsweep.cpu))

        return jax.pure_callback(on_host, result, *operands)

    def by_callback(context: Any, *operands: Any, **params: Any) -> Any:
        (aval,) = context.avals_out
        if any(jax.export.is_symbolic_dim(extent) for extent in aval.shape):
            raise NotImplementedError(
                f"upsweep.jax: {name} of shape {aval.shape} is a callback here, which "
                "JAX calls with known shapes only. A build with handlers has symbolic "
                "ones on the CPU and on NVIDIA GPUs: see upsweep.jax.has_handlers."
            )
        result = jax.ShapeDtypeStruct(aval.shape, aval.dtype)
        function = partial(callback, result=result, **params)
        return mlir.lower_fun(function, multiple_results=False)(context, *operands)

    mlir.register_lowering(primitive, by_callback)
    library = _library()
    if library is None:
        return
    for platform, name_in_xla in (("cpu", "cpu"), ("cuda", "CUDA")):
        target = f"upsweep_{name}_{platform}"
        handler = getattr(library, target, None)
        if handler is None:
            continue
        jax.ffi.register_ffi_target(
            target, jax.ffi.pycapsule(handler), platform=name_in_xla
        )
        by_handler = jax.ffi.ffi_lowering(target)

        def lowering(
            context: Any,
            *operands: Any,
            platform: str = platform,
            by_handler: Any = by_handler,
            **params: Any,
        ) -> Any:
            (aval,) = context.avals_out
            if platform == "cuda" and not _runs_on_gpu(aval.dtype):
                return by_callback(context, *operands, **params)
            if platform == "cuda" and of_three and len(operands) == 3:
                traced = partial(of_three, **params)
                return mlir.lower_fun(traced, multiple_results=False)(
                    context, *operands
                )
            return by_handler(context, *operands, **params)

        mlir.register_lowering(primitive, lowering, platform=platform)
