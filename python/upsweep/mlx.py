"""Scans of MLX arrays that mx.grad, mx.vjp, mx.jvp and mx.vmap can follow.

Results are those of the functions of the same names in upsweep. Derivatives are those
of the exact results: nothing is divided, so zeros are no exception.

>>> import mlx.core as mx
>>> import upsweep.mlx
>>> x = mx.array([2.0, 0.0, 3.0])
>>> mx.grad(lambda x: upsweep.mlx.cumprod(x).sum())(x)
array([1, 8, 0], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import upsweep

try:
    import mlx.core as mx

    from upsweep import _initial, _mlx_call, _mlx_functions
except ImportError as error:
    raise ImportError(
        "upsweep.mlx needs MLX and NumPy: pip install 'upsweep[mlx]'", name=error.name
    ) from error

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "linear_recurrence",
    "logcumsumexp",
    "scan",
]


def scan(
    a: mx.array,
    /,
    op: str,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: Any = None,
    reset: Any = None,
    dtype: Any = None,
    include_initial: bool = False,
    skipna: bool = False,
    stream: Any = None,
) -> mx.array:
    """A scan along an axis, or of the flattened array, as :func:`upsweep.scan`.

    Args:
        a: An MLX array of any shape and dtype.
        op: "prod", "sum", "max", "min" or "logaddexp".
        axis: The axis, counted from the end when negative; None scans the flattened
            array.
        reverse: Scan from the last element to the first.
        inclusive: Whether an element counts in its own result.
        initial: What each line starts with: a number of the dtype of the result, or an
            MLX array of the shape of a without the axis, which is converted to it. It
            has a gradient.
        reset: Where new segments start: an array of bool of the shape of a, or, for one
            axis, integer offsets.
        dtype: The dtype to which a is converted first, and of the result; MLX's or
            upsweep's.
        include_initial: One more element along the axis, before the first in scan
            order: what the line starts with.
        skipna: NaN counts as the identity.
        stream: Where upsweep runs: its stream or device, as in :func:`upsweep.scan`.

    Returns:
        A new MLX array of the shape of a, flattened where axis is None, with one more
        element along the axis if include_initial is True. The call waits for a.

    Raises:
        IndexError: The array has no such axis.
        OverflowError: The dtype cannot hold the number initial.
        TypeError: a is no MLX array, or an argument is of the wrong type.
        ValueError: op is unknown, initial or reset does not fit a, or include_initial
            is True and inclusive False.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """
    if isinstance(initial, upsweep.Carry):
        raise TypeError("[scan] initial must not be a Carry, which has no gradient.")
    return _scan(
        "scan",
        a,
        op,
        axis,
        {"reverse": reverse, "inclusive": inclusive, "stream": stream},
        {
            "dtype": None if dtype is None else _dtype(dtype),
            "include_initial": include_initial,
            "skipna": skipna,
        },
        initial,
        reset,
    )


def _scan_like(op: str, function: Any) -> Any:
    """The scan with one operator, with the name and signature of upsweep's function."""

    def scan_of(
        a: mx.array,
        /,
        axis: int | None = None,
        *,
        reverse: bool = False,
        inclusive: bool = True,
        stream: Any = None,
    ) -> mx.array:
        options = {"reverse": reverse, "inclusive": inclusive, "stream": stream}
        return _scan(function.__name__, a, op, axis, options)

    scan_of.__name__ = scan_of.__qualname__ = function.__name__
    scan_of.__doc__ = f"""As :func:`upsweep.{function.__name__}`, of an MLX array.

    Args, errors and source are those of :func:`scan`."""
    return scan_of


cumprod = _scan_like("prod", upsweep.cumprod)
cumsum = _scan_like("sum", upsweep.cumsum)
cummax = _scan_like("max", upsweep.cummax)
cummin = _scan_like("min", upsweep.cummin)
logcumsumexp = _scan_like("logaddexp", upsweep.logcumsumexp)


def linear_recurrence(
    a: Any,
    b: Any,
    /,
    axis: int = -1,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: Any = None,
    reset: Any = None,
    stream: Any = None,
) -> mx.array:
    """h[i] = a[i] * h[i - 1] + b[i], as :func:`upsweep.linear_recurrence`.

    Args:
        a, b: MLX arrays of one dtype that broadcast; one of them may be a number.
        axis: The axis, counted from the end when negative.
        reverse: Run from the last element to the first.
        inclusive: Whether element i of the result is h[i]. If not, it is h[i - 1].
        initial: What h starts with: a number, or an MLX array of the shape of the
            result without the axis, which is converted to the dtype.
        reset: Where h[i - 1] counts as 0: an array of bool of the shape of the result,
            or, for one axis, integer offsets.
        stream: Where upsweep runs: its stream or device.

    Returns:
        A new MLX array of the broadcast shape. The call waits for a and b.

    Raises, source: as :func:`scan`.
    """
    name = "linear_recurrence"
    options = {"reverse": reverse, "inclusive": inclusive, "stream": stream}
    if not isinstance(a, mx.array) and not isinstance(b, mx.array):
        raise TypeError(f"[{name}] a or b must be an MLX array.")
    # upsweep's own errors, and the dtype of the result.
    one = upsweep.linear_recurrence(_one(name, a), _one(name, b), axis, **options)
    dtype = _mlx_call.mlx_dtype(one.dtype)
    a, b = mx.broadcast_arrays(*(_as_array(x, dtype) for x in (a, b)))
    reset = _mask(name, reset, a, axis, reverse)
    how = _mlx_functions.How(axis % a.ndim - a.ndim, **options)
    if initial is not None:
        initial = _first(name, initial, a, how.axis)
    return _mlx_functions.recurrence(a, b, initial, reset, how)


def _scan(
    name: str,
    a: mx.array,
    op: str,
    axis: int | None,
    options: dict[str, Any],
    more: dict[str, Any] | None = None,
    initial: Any = None,
    reset: Any = None,
) -> mx.array:
    if not isinstance(a, mx.array):
        raise TypeError(
            f"[{name}] a must be an MLX array, not {type(a).__name__}; "
            f"upsweep.{name} takes others."
        )
    more = more or {}
    # upsweep's own errors, and the dtype of the result.
    arguments = (_one(name, a), op, axis) if name == "scan" else (_one(name, a), axis)
    dtype = getattr(upsweep, name)(*arguments, **options, **more).dtype
    reset = _mask(name, reset, a, axis, options["reverse"])
    a = _as_array(a, _mlx_call.mlx_dtype(dtype))
    if axis is None:
        a, axis = mx.flatten(a), -1
        reset = None if reset is None else mx.flatten(reset)
    how = _mlx_functions.How(axis % a.ndim - a.ndim, **options)
    if more.get("skipna") and mx.issubdtype(a.dtype, mx.inexact):
        a = mx.where(mx.isnan(a), mx.array(_identity(op, dtype), a.dtype), a)
    if initial is None and more.get("include_initial"):
        initial = _identity(op, dtype)
    if initial is not None:
        # An element before the first.
        start = _first(name, initial, a, how.axis)
        a = _preceded(start, a, how)
        if reset is not None:
            reset = _preceded(mx.zeros(start.shape, mx.bool_), reset, how)
    result = _scanned(op, a, reset, how)
    if initial is not None and not more.get("include_initial"):
        result = _mlx_functions.without_first(result, how)
    return result


def _scanned(
    op: str, a: mx.array, reset: mx.array | None, how: _mlx_functions.How
) -> mx.array:
    if op == "sum":
        return _mlx_functions.total(a, reset, how)
    if op == "logaddexp":
        return _mlx_functions.log_total(a, reset, how)
    if op != "prod":
        return _mlx_functions.extremum(a, op, reset, how)
    return _mlx_functions.product(a, reset, how)


def _preceded(start: mx.array, a: mx.array, how: _mlx_functions.How) -> mx.array:
    """The elements of a after a first one in scan order."""
    parts = [mx.expand_dims(start, how.axis), a]
    return mx.concatenate(parts[::-1] if how.reverse else parts, how.axis)


def _first(name: str, initial: Any, a: mx.array, axis: int) -> mx.array:
    shape = tuple(extent for i, extent in enumerate(a.shape) if i - a.ndim != axis)
    dtype = _mlx_call.upsweep_dtype(a.dtype)
    _initial.check(name, initial, dtype, mx.array)
    if _initial.is_number(initial, mx.array):
        initial = _mlx_call.to_mlx(upsweep.asarray(initial, dtype))
    start = _as_array(initial, a.dtype)
    if start.ndim > 0 and start.shape != shape:
        raise ValueError(
            f"[{name}] initial must be a number or an array of shape {shape}, that of "
            f"the result without the axis, not {start.shape}."
        )
    return mx.broadcast_to(start, shape)


def _mask(
    name: str, reset: Any, a: mx.array, axis: int | None, reverse: bool
) -> mx.array | None:
    """Where segments start, as an array of the shape of a."""
    if reset is None:
        return None
    if isinstance(reset, mx.array):
        shared = _mlx_call.to_upsweep(reset)
        if shared is None:
            if reset.dtype == mx.bool_ and reset.shape == a.shape:
                return reset
            raise ValueError(
                f"[{name}] In mx.vmap, reset must be a bool array of shape {a.shape}."
            )
        (reset,) = shared
    # upsweep's own errors, and its meaning of offsets: counts that start anew at 1,
    # where they go on from a 1 before the line.
    counts = upsweep.scan(
        upsweep.ones(a.shape, upsweep.int32),
        "sum",
        axis,
        reverse=reverse,
        initial=1,
        reset=reset,
        stream=upsweep.Device(upsweep.cpu),
    )
    starts = counts == upsweep.ones(counts.shape, upsweep.int32)
    return mx.reshape(_mlx_call.to_mlx(starts), a.shape)


def _identity(op: str, dtype: upsweep.Dtype) -> Any:
    """What the scan of nothing gives."""
    one = upsweep.zeros((1,), dtype)
    cpu = upsweep.Device(upsweep.cpu)
    return upsweep.scan(one, op, inclusive=False, stream=cpu).item()


def _one(name: str, x: Any) -> Any:
    """An array of one element in place of an MLX array; a number as it is."""
    if isinstance(x, mx.array):
        return upsweep.ones((1,) * x.ndim, _mlx_call.upsweep_dtype(x.dtype))
    if isinstance(x, (bool, int, float, complex)):
        return x
    raise TypeError(
        f"[{name}] a and b must be MLX arrays or numbers, not {type(x).__name__}."
    )


def _as_array(x: Any, dtype: Any) -> mx.array:
    if isinstance(x, mx.array):
        return x if x.dtype == dtype else x.astype(dtype)
    return mx.array(x, dtype)


def _dtype(dtype: Any) -> Any:
    return _mlx_call.upsweep_dtype(dtype) if isinstance(dtype, mx.Dtype) else dtype
