"""Scans of JAX arrays, with their derivatives, under all of JAX's transformations.

Results keep the contract of upsweep. They run inside XLA, on the CPU and on NVIDIA
GPUs.

>>> import jax
>>> import upsweep.jax
>>> upsweep.jax.cumprod(jax.numpy.array([2.0, 0.0, 3.0]))
Array([2., 0., 0.], dtype=float32)
>>> jax.grad(lambda x: upsweep.jax.cumprod(x).sum())(jax.numpy.array([2.0, 0.0, 3.0]))
Array([1., 8., 0.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.typing import ArrayLike

    from upsweep import _jax_arguments, _jax_derivatives, _jax_primitives
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


def cumprod(
    operand: ArrayLike,
    axis: int | None = 0,
    *,
    reverse: bool = False,
    inclusive: bool = True,
) -> jax.Array:
    """Cumulative product along an axis, by the contract of :func:`upsweep.cumprod`.

    Derivatives are right where elements are zero: nothing is divided. Second and higher
    ones may be 0, infinite or NaN where a product on the way leaves the range of the
    dtype (of float32 for 16-bit dtypes).

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
        initial: What each line starts with, like an element before the first: a number
            of the dtype, or an array of the shape of operand without the axis, which is
            converted to the dtype.
        reset: Where new segments start: bool, of the shape of operand. On CUDA,
            derivatives of products may then be 0, infinite or NaN where a product on
            the way leaves the range of the dtype (of float32 for 16-bit dtypes).
        dtype: The dtype to which operand is converted first, and of the result.
        skipna: NaN counts as the identity.

    Returns:
        An array of the shape of operand, flattened where axis is None.

    Raises:
        ValueError: op is none of these, or initial or reset has another shape.
        OverflowError: The dtype cannot hold the number initial.
        numpy.exceptions.AxisError, TypeError: As for :func:`cumprod`.
    """
    if op not in _jax_arguments.IDENTITIES:
        raise ValueError(
            f"[scan] op must be one of {', '.join(_jax_arguments.IDENTITIES)}."
        )
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

    Derivatives multiply what comes before an element by what comes after it, and may be
    0, infinite or NaN where one of them leaves the range of the dtype (of float32 for
    16-bit dtypes).

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
        OverflowError: The dtype cannot hold the number initial.
        numpy.exceptions.AxisError, TypeError: As for :func:`cumprod`.
    """
    name = "linear_recurrence"
    a, b = jnp.asarray(a), jnp.asarray(b)
    dtype = jnp.result_type(a, b)
    if not jnp.issubdtype(dtype, np.inexact):
        dtype = np.dtype(np.float32)
    _jax_arguments.check_dtype(name, "a and b", dtype)
    a, b = (each.astype(dtype) if each.dtype != dtype else each for each in (a, b))
    try:
        shape = jnp.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"[{name}] a of shape {a.shape} and b of shape {b.shape} cannot be "
            "broadcast."
        ) from None
    along = _jax_arguments.checked_axis(name, axis, len(shape))
    a, b = (_jax_arguments.along_whole_axis(each, shape, along) for each in (a, b))
    reset = _jax_arguments.checked_reset(name, reset, shape)
    reverse = _jax_arguments.checked_flag(name, "reverse", reverse)
    inclusive = _jax_arguments.checked_flag(name, "inclusive", inclusive)
    if initial is None:
        return _jax_primitives.recurrence(a, b, reset, along, reverse, inclusive)
    start = _jax_arguments.lines(name, initial, dtype, shape, along)
    b = _jax_arguments.after(start, jnp.broadcast_to(b, shape), along, reverse)
    a = _jax_arguments.after(
        jnp.zeros_like(a, shape=_jax_arguments.without(a.shape, along)),
        a,
        along,
        reverse,
    )
    reset = _jax_arguments.after_false(reset, along, reverse)
    out = _jax_primitives.recurrence(a, b, reset, along, reverse, inclusive)
    return _jax_arguments.without_first(out, along, reverse)


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
    _jax_arguments.check_dtype(name, "operand", x.dtype)
    mask = _jax_arguments.checked_reset(name, reset, x.shape)
    # Without segments, derivatives of products are exact on CUDA too.
    if reset is None or (op == "prod" and _jax_arguments.is_known_to_be_false(reset)):
        mask = None
    if axis is None:
        x, axis = x.ravel(), 0
        mask = None if mask is None else mask.ravel()
    axis = _jax_arguments.checked_axis(name, axis, x.ndim)
    reverse = _jax_arguments.checked_flag(name, "reverse", reverse)
    inclusive = _jax_arguments.checked_flag(name, "inclusive", inclusive)
    skipna = _jax_arguments.checked_flag(name, "skipna", skipna)
    computed = _jax_arguments.computing_dtype(name, op, x.dtype, dtype)
    if skipna and jnp.issubdtype(x.dtype, np.inexact):
        x = jnp.where(
            jnp.isnan(x), _jax_arguments.identity(op, computed).astype(x.dtype), x
        )
    if x.dtype != computed:
        x = x.astype(computed)
    if initial is None:
        return _jax_primitives.scan(x, mask, op, axis, reverse, inclusive)
    start = _jax_arguments.lines(name, initial, computed, x.shape, axis)
    x = _jax_arguments.after(start, x, axis, reverse)
    mask = _jax_arguments.after_false(mask, axis, reverse)
    out = _jax_primitives.scan(x, mask, op, axis, reverse, inclusive)
    return _jax_arguments.without_first(out, axis, reverse)


_jax_derivatives.register()
