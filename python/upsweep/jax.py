"""Scans of JAX arrays, with their derivatives, under all of JAX's transformations.

Results keep the contract of upsweep. They run inside XLA, on the CPU and on CUDA.

>>> import jax
>>> import upsweep.jax
>>> upsweep.jax.cumprod(jax.numpy.array([2.0, 0.0, 3.0]))
Array([2., 0., 0.], dtype=float32)
>>> jax.grad(lambda x: upsweep.jax.cumprod(x).sum())(jax.numpy.array([2.0, 0.0, 3.0]))
Array([1., 8., 0.], dtype=float32)
"""

from __future__ import annotations

import operator
from typing import Any

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.typing import ArrayLike

    from upsweep import _jax_primitives
    from upsweep._jax_handlers import has_handlers
except ImportError as error:
    raise ImportError(
        "upsweep.jax needs JAX: pip install 'upsweep[jax]'", name=error.name
    ) from error

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "has_handlers",
    "linear_recurrence",
    "logcumsumexp",
    "scan",
]

_DTYPES = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 "
    "float16 bfloat16 float32 float64 complex64".split()
)


def cumprod(
    operand: ArrayLike,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
) -> jax.Array:
    """Cumulative product along an axis, by the contract of :func:`upsweep.cumprod`.

    Derivatives are right where elements are zero: nothing is divided.

    Args:
        operand: An array of any dtype but complex128 and those narrower than a byte or
            that upsweep lacks.
        axis: The axis, counted from the end when negative; None scans the flattened
            array.
        reverse: Scan from the last element to the first.
        inclusive: Whether an element counts in its own result. If not, the first
            result in scan order is 1.

    Returns:
        An array of the shape of operand, flattened where axis is None, and of its
        dtype.

    Raises:
        numpy.exceptions.AxisError: The array has no such axis. It is an
            :exc:`IndexError` and a :exc:`ValueError`.
        TypeError: An argument is of the wrong type, or upsweep lacks the dtype.
    """
    return _scan("cumprod", operand, "prod", axis, reverse, inclusive)


def cumsum(
    operand: ArrayLike,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
) -> jax.Array:
    """Cumulative sum along an axis, by the contract of :func:`upsweep.cumsum`.

    Args and errors are those of :func:`cumprod`; the exclusive scan starts with 0.

    Returns:
        As :func:`cumprod`, but int32 for bool.
    """
    return _scan("cumsum", operand, "sum", axis, reverse, inclusive)


def cummax(
    operand: ArrayLike,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
) -> jax.Array:
    """Cumulative maximum along an axis, by the contract of :func:`upsweep.cummax`.

    The derivative goes to the element that the result is: of equal ones the first.
    Args, result and errors are those of :func:`cumprod`; the exclusive scan starts with
    the smallest value of the dtype, -inf where there is one.
    """
    return _scan("cummax", operand, "max", axis, reverse, inclusive)


def cummin(
    operand: ArrayLike,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
) -> jax.Array:
    """Cumulative minimum along an axis, by the contract of :func:`upsweep.cummin`.

    The derivative goes to the element that the result is: of equal ones the first.
    Args, result and errors are those of :func:`cumprod`; the exclusive scan starts with
    the largest value of the dtype, inf where there is one.
    """
    return _scan("cummin", operand, "min", axis, reverse, inclusive)


def logcumsumexp(
    operand: ArrayLike,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
) -> jax.Array:
    """Logarithm of the cumulative sum of exponentials along an axis, by the contract of
    :func:`upsweep.logcumsumexp`. JAX calls it cumlogsumexp.

    Args and errors are those of :func:`cumprod`; the exclusive scan starts with -inf.

    Returns:
        As :func:`cumprod`, but float32 for integers and bool.
    """
    return _scan("logcumsumexp", operand, "logaddexp", axis, reverse, inclusive)


def scan(
    operand: ArrayLike,
    op: str,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: ArrayLike | None = None,
    reset: ArrayLike | None = None,
    dtype: Any = None,
    skipna: bool = False,
) -> jax.Array:
    """The scan of an operator along an axis, by the contract of :func:`upsweep.scan`.

    Args:
        operand: As for :func:`cumprod`.
        op: "prod", "sum", "max", "min" or "logaddexp".
        axis, reverse, inclusive: As for :func:`cumprod`.
        initial: What each line starts with, like an element before the first: a number,
            or an array of the shape of operand without the axis.
        reset: Where new segments start: bool, of the shape of operand. Derivatives of
            products in segments are infinite or NaN where the products before them are.
        dtype: The dtype to which operand is converted first, and of the result.
        skipna: NaN counts as the identity.

    Returns:
        An array of the shape of operand, flattened where axis is None.

    Raises:
        ValueError: op is none of these, or initial or reset has another shape.
        numpy.exceptions.AxisError, TypeError: As for :func:`cumprod`.
    """
    if op not in _IDENTITIES:
        raise ValueError(f"[scan] op must be one of {', '.join(_IDENTITIES)}.")
    return _scan(
        "scan", operand, op, axis, reverse, inclusive, initial, reset, dtype, skipna
    )


def linear_recurrence(
    a: ArrayLike,
    b: ArrayLike,
    axis: int = -1,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: ArrayLike | None = None,
    reset: ArrayLike | None = None,
) -> jax.Array:
    """h[i] = a[i] * h[i - 1] + b[i] along an axis, by the contract of
    :func:`upsweep.linear_recurrence`.

    Args:
        a, b: Arrays that broadcast, promoted to one dtype as JAX does; integers and
            bool become float32.
        axis: The axis of the result, counted from the end when negative.
        reverse: Go from the last element to the first.
        inclusive: Whether h[i] is result i; else h[i - 1] is.
        initial: h before the first element, which is 0 by default: a number, or an
            array of the shape of the result without the axis.
        reset: Where h is 0 before the element: bool, of the shape of the result.

    Returns:
        An array of the broadcast shape and the promoted dtype.

    Raises:
        ValueError: Shapes do not fit.
        numpy.exceptions.AxisError, TypeError: As for :func:`cumprod`.
    """
    name = "linear_recurrence"
    a, b = jnp.asarray(a), jnp.asarray(b)
    dtype = jnp.result_type(a, b)
    if not jnp.issubdtype(dtype, np.inexact):
        dtype = jnp.result_type(dtype, np.float32)
    _check_dtype(name, "a and b", dtype)
    a, b = (each.astype(dtype) if each.dtype != dtype else each for each in (a, b))
    try:
        shape = jnp.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"[{name}] a of shape {a.shape} and b of shape {b.shape} cannot be "
            "broadcast."
        ) from None
    along = _checked_axis(name, axis, len(shape))
    a, b = (_along_whole_axis(each, shape, along) for each in (a, b))
    reset = _checked_reset(name, reset, shape)
    reverse, inclusive = bool(reverse), bool(inclusive)
    if initial is None:
        return _jax_primitives.recurrence(a, b, reset, along, reverse, inclusive)
    start = _lines(name, initial, dtype, shape, along)
    b = _after(start, jnp.broadcast_to(b, shape), along, reverse)
    a = _after(jnp.zeros_like(a, shape=_without(a.shape, along)), a, along, reverse)
    reset = _after_false(reset, along, reverse)
    out = _jax_primitives.recurrence(a, b, reset, along, reverse, inclusive)
    return _without_first(out, along, reverse)


def _scan(
    name: str,
    operand: ArrayLike,
    op: str,
    axis: int | None,
    reverse: bool,
    inclusive: bool,
    initial: ArrayLike | None = None,
    reset: ArrayLike | None = None,
    dtype: Any = None,
    skipna: bool = False,
) -> jax.Array:
    x = jnp.asarray(operand)
    _check_dtype(name, "operand", x.dtype)
    reset = _checked_reset(name, reset, x.shape)
    if axis is None:
        x, axis = x.ravel(), 0
        reset = None if reset is None else reset.ravel()
    axis = _checked_axis(name, axis, x.ndim)
    reverse, inclusive = bool(reverse), bool(inclusive)
    computed = _computing_dtype(name, op, x.dtype, dtype)
    if skipna and jnp.issubdtype(x.dtype, np.inexact):
        x = jnp.where(jnp.isnan(x), _identity(op, computed).astype(x.dtype), x)
    if x.dtype != computed:
        x = x.astype(computed)
    if initial is None:
        return _jax_primitives.scan(x, reset, op, axis, reverse, inclusive)
    start = _lines(name, initial, computed, x.shape, axis)
    x = _after(start, x, axis, reverse)
    reset = _after_false(reset, axis, reverse)
    out = _jax_primitives.scan(x, reset, op, axis, reverse, inclusive)
    return _without_first(out, axis, reverse)


# Arguments.


def _check_dtype(name: str, argument: str, dtype: Any) -> None:
    if dtype.name not in _DTYPES:
        raise TypeError(
            f"[{name}] {argument}: upsweep has no {dtype.name}; convert with astype."
        )


def _checked_axis(name: str, axis: int, ndim: int) -> int:
    index = operator.index(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(
            f"[{name}] axis {index} is out of bounds for an array with {ndim} axes."
        )
    return index % ndim


def _checked_reset(
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


def _lines(
    name: str, initial: ArrayLike, dtype: Any, shape: tuple[int, ...], axis: int
) -> jax.Array:
    """What lines start with, one for each line."""
    start, lines = jnp.asarray(initial), _without(shape, axis)
    if start.shape not in [(), lines]:
        raise ValueError(
            f"[{name}] initial has shape {start.shape}; give it no axes or those of "
            f"the lines, {lines}."
        )
    if jnp.promote_types(start.dtype, dtype) != dtype and not (
        _kind(start.dtype) <= _kind(dtype)
    ):
        raise TypeError(
            f"[{name}] initial is {start.dtype}, but the result is {dtype}."
        )
    return jnp.broadcast_to(start.astype(dtype), lines)


def _kind(dtype: Any) -> int:
    kinds = [np.bool_, np.integer, np.floating, np.complexfloating]
    return next(i for i, kind in enumerate(kinds) if jnp.issubdtype(dtype, kind))


def _computing_dtype(name: str, op: str, own: Any, wanted: Any) -> Any:
    dtype = own if wanted is None else jax.dtypes.canonicalize_dtype(wanted)
    _check_dtype(name, "dtype", dtype)
    result = dtype
    if op == "sum" and dtype == np.bool_:
        result = np.dtype(np.int32)
    elif op == "logaddexp" and not jnp.issubdtype(dtype, np.inexact):
        result = np.dtype(np.float32)
    if wanted is not None and result != dtype:
        raise TypeError(f"[{name}] dtype is {dtype}, but {op} returns {result} for it.")
    return result


# Lines.


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _along_whole_axis(x: jax.Array, shape: tuple[int, ...], axis: int) -> jax.Array:
    """x with all axes of the shape; extents other than the axis's may stay 1."""
    full = [1] * (len(shape) - x.ndim) + list(x.shape)
    x = x.reshape(full)
    full[axis] = shape[axis]
    return jnp.broadcast_to(x, full)


def _after(start: jax.Array, x: jax.Array, axis: int, reverse: bool) -> jax.Array:
    """x with one more element in each line, before the first in scan order."""
    first = jnp.expand_dims(start, axis)
    return jnp.concatenate([x, first] if reverse else [first, x], axis)


def _after_false(reset: jax.Array | None, axis: int, reverse: bool) -> jax.Array | None:
    if reset is None:
        return None
    return _after(
        jnp.zeros(_without(reset.shape, axis), np.bool_), reset, axis, reverse
    )


def _without_first(x: jax.Array, axis: int, reverse: bool) -> jax.Array:
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


_IDENTITIES = {
    "prod": lambda dtype: 1,
    "sum": lambda dtype: 0,
    "max": _lowest,
    "min": _highest,
    "logaddexp": lambda dtype: -np.inf,
}


def _identity(op: str, dtype: Any) -> jax.Array:
    return jnp.asarray(_IDENTITIES[op](dtype), dtype)
