"""Checks the arguments of upsweep.jax, and brings them into shape."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

import upsweep
from upsweep import _initial

_DTYPES = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 "
    "float16 bfloat16 float32 float64 complex64".split()
)


def check_dtype(name: str, argument: str, dtype: Any) -> None:
    if dtype.name not in _DTYPES:
        raise TypeError(
            f"[{name}] {argument}: upsweep has no {dtype.name}; convert with astype."
        )


def checked_axis(name: str, axis: int, ndim: int) -> int:
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise TypeError(f"[{name}] axis must be an integer, not {type(axis).__name__}.")
    index = operator.index(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(
            f"[{name}] axis {index} is out of bounds for an array with {ndim} axes."
        )
    return index % ndim


def checked_flag(name: str, argument: str, value: bool) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"[{name}] {argument} must be True or False, not {type(value).__name__}; "
            "jit needs static_argnames for it."
        )
    return bool(value)


def checked_reset(
    name: str, reset: ArrayLike | None, shape: tuple[int, ...]
) -> jax.Array | None:
    if reset is None:
        return None
    mask = jnp.asarray(reset)
    if mask.dtype != np.bool_:
        raise TypeError(f"[{name}] reset must be a mask of bool, not {mask.dtype}.")
    if mask.shape != shape:
        raise ValueError(f"[{name}] reset has shape {mask.shape}; give it {shape}.")
    return mask


def is_known_to_be_false(mask: ArrayLike) -> bool:
    """Whether a mask has a value, even while JAX traces, and that is False."""
    if isinstance(mask, jax.Array) and (
        isinstance(mask, jax.core.Tracer) or not mask.is_fully_addressable
    ):
        return False
    return not np.any(np.asarray(mask))


def lines(
    name: str, initial: ArrayLike, dtype: Any, shape: tuple[int, ...], axis: int
) -> jax.Array:
    """What lines start with, one for each line."""
    known = getattr(upsweep, "bool_" if dtype.kind == "b" else dtype.name)
    _initial.check(name, initial, known, jax.Array)
    is_number = _initial.is_number(initial, jax.Array)
    start = jnp.asarray(initial, dtype if is_number else None)
    lines = without(shape, axis)
    if start.shape not in [(), lines]:
        raise ValueError(
            f"[{name}] initial has shape {start.shape}; give it no axes or those of "
            f"the lines, {lines}."
        )
    if _kind(start.dtype) > _kind(dtype):
        raise TypeError(
            f"[{name}] initial is {start.dtype}, but the result is {dtype}."
        )
    return jnp.broadcast_to(start.astype(dtype), lines)


def _kind(dtype: Any) -> int:
    kinds = [np.bool_, np.integer, np.floating, np.complexfloating]
    return next(i for i, kind in enumerate(kinds) if jnp.issubdtype(dtype, kind))


def computing_dtype(name: str, op: str, own: Any, wanted: Any) -> Any:
    dtype = own if wanted is None else jax.dtypes.canonicalize_dtype(wanted)
    check_dtype(name, "dtype", dtype)
    result = dtype
    if op == "sum" and dtype == np.bool_:
        result = np.dtype(np.int32)
    elif op == "logaddexp" and not jnp.issubdtype(dtype, np.inexact):
        result = np.dtype(np.float32)
    if wanted is not None and result != dtype:
        raise TypeError(f"[{name}] dtype is {dtype}, but {op} returns {result} for it.")
    return result


# Lines.


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def along_whole_axis(x: jax.Array, shape: tuple[int, ...], axis: int) -> jax.Array:
    """x with all axes of the shape; extents other than the axis's may stay 1."""
    full = [1] * (len(shape) - x.ndim) + list(x.shape)
    x = x.reshape(full)
    full[axis] = shape[axis]
    return jnp.broadcast_to(x, full)


def after(start: jax.Array, x: jax.Array, axis: int, reverse: bool) -> jax.Array:
    """x with one more element in each line, before the first in scan order."""
    first = jnp.expand_dims(start, axis)
    return jnp.concatenate([x, first] if reverse else [first, x], axis)


def after_false(reset: jax.Array | None, axis: int, reverse: bool) -> jax.Array | None:
    if reset is None:
        return None
    return after(jnp.zeros(without(reset.shape, axis), np.bool_), reset, axis, reverse)


def without_first(x: jax.Array, axis: int, reverse: bool) -> jax.Array:
    stop = x.shape[axis]
    return jax.lax.slice_in_dim(x, 0 if reverse else 1, stop - reverse, axis=axis)


def _lowest(dtype: Any) -> Any:
    if dtype == np.bool_:
        return False
    if jnp.issubdtype(dtype, np.integer):
        return jnp.iinfo(dtype).min
    return -np.inf


def _highest(dtype: Any) -> Any:
    if dtype == np.bool_:
        return True
    if jnp.issubdtype(dtype, np.integer):
        return jnp.iinfo(dtype).max
    return np.inf


IDENTITIES: dict[str, Callable[[Any], Any]] = {
    "prod": lambda dtype: 1,
    "sum": lambda dtype: 0,
    "max": _lowest,
    "min": _highest,
    "logaddexp": lambda dtype: -np.inf,
}


def identity(op: str, dtype: Any) -> jax.Array:
    return jnp.asarray(IDENTITIES[op](dtype), dtype)
