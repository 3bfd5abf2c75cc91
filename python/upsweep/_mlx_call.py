"""Calls upsweep from MLX: arrays over and back, and the rules of mx.custom_function.

MLX hands the transformed function arrays that may not be read: those of mx.vmap, which
later asks for the result of the whole batch, and those of mx.compile, which never does.
The result is then an array without a value, which MLX refuses to evaluate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

import upsweep
from upsweep import _mlx_tracing


def call(
    forward: Callable[..., upsweep.array],
    vjp: Callable[..., Sequence[mx.array]],
    jvp: Callable[..., mx.array],
    *arrays: mx.array,
) -> mx.array:
    """A differentiable call of a function with real coefficients.

    forward takes upsweep arrays, and its result has the shape and dtype of the first.
    vjp takes the cotangent and the arrays, and has one result for each array. jvp takes
    the tuples of arrays and of tangents; a tangent may be None. An axis of a batch may
    be in front of all of them."""
    function: Any = mx.custom_function(lambda *arrays: _computed(forward, arrays))

    @function.vjp  # type: ignore[untyped-decorator, unused-ignore]
    def _(primals: Any, cotangent: mx.array, output: mx.array) -> list[mx.array]:
        primals = _as_tuple(primals)
        # MLX's convention: the cotangent meets the conjugate of the derivative.
        conjugate = [mx.conj(p) if p.dtype == mx.complex64 else p for p in primals]
        with mx.stream(mx.cpu):  # which has float64
            gradients = vjp(cotangent, *conjugate)
            return [g.astype(p.dtype) for g, p in zip(gradients, primals, strict=True)]

    @function.jvp  # type: ignore[untyped-decorator, unused-ignore]
    def _(primals: Any, tangents: Any) -> mx.array:
        primals, tangents = _as_tuple(primals), _as_tuple(tangents)
        with mx.stream(mx.cpu):
            return jvp(primals, tangents).astype(primals[0].dtype)

    @function.vmap  # type: ignore[untyped-decorator, unused-ignore]
    def _(primals: Any, axes: Any) -> tuple[mx.array, int]:
        pairs = list(zip(_as_tuple(primals), _as_tuple(axes), strict=True))
        (size,) = {p.shape[axis] for p, axis in pairs if axis is not None}
        return function(
            *(
                mx.broadcast_to(p, (size, *p.shape))
                if axis is None
                else mx.moveaxis(p, axis, 0)
                for p, axis in pairs
            )
        ), 0

    result: mx.array = function(*arrays)
    return result


def to_upsweep(*arrays: mx.array) -> list[upsweep.array] | None:
    """Shares the memory of arrays; None if some have no value, as in mx.vmap."""
    # Buffers lack bfloat16.
    readable: list[Any] = [
        x.astype(mx.float32) if x.dtype == mx.bfloat16 else x for x in arrays
    ]
    try:
        _mlx_tracing.evaluate(*readable)
    except (RuntimeError, ValueError) as error:
        text = str(error)
        if "transformation" in text or "without a primitive" in text:
            return None
        raise
    # The arrays themselves would be refused in a transformation.
    shared = [upsweep.asarray(memoryview(x)) for x in readable]
    return [
        s if s.dtype.name == upsweep_dtype(x.dtype).name else s.astype(upsweep.bfloat16)
        for s, x in zip(shared, arrays, strict=True)
    ]


def to_mlx(x: upsweep.array) -> mx.array:
    """A copy as an MLX array."""
    return mx.array(x, dtype=mlx_dtype(x.dtype))


def mlx_dtype(dtype: Any) -> Any:
    """The dtype of MLX with the same name."""
    return getattr(mx, dtype.name)


def upsweep_dtype(dtype: Any) -> upsweep.Dtype:
    """The dtype of upsweep with the same name as one of MLX."""
    name = str(dtype).removeprefix("mlx.core.")
    found: upsweep.Dtype = getattr(upsweep, "bool_" if name == "bool" else name)
    return found


def _computed(
    forward: Callable[..., upsweep.array], arrays: tuple[mx.array, ...]
) -> mx.array:
    shared = to_upsweep(*arrays)
    if shared is None:
        return _mlx_tracing.without_value(arrays[0].shape, arrays[0].dtype)
    return to_mlx(forward(*shared))


def _as_tuple(value: Any) -> tuple[Any, ...]:
    """MLX passes a single argument without a tuple."""
    return value if isinstance(value, tuple) else (value,)
