"""Scans of Dask arrays, by the contract of a scan of the whole, wherever chunks end.

Each chunk is summarised on its own, in parallel. The summaries are put together chunk
by chunk, without the elements but where a result may have left the range of the dtype
within a chunk. Then each chunk is scanned from the
state before it, in parallel again. The bits depend on the chunks, not on the scheduler.

>>> import dask.array as da
>>> import upsweep.dask
>>> x = da.ones(10, chunks=4) * 2
>>> upsweep.dask.cumprod(x, 0).compute()[-1].item()
1024.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

import upsweep

try:
    import dask.array as da

    from upsweep import _chunked_recurrence, _chunks, _dask_graph
except ImportError as error:
    raise ImportError(
        "upsweep.dask needs Dask: pip install 'upsweep[dask]'", name=error.name
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
    x: da.Array,
    /,
    op: str,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: Any = None,
    reset: Any = None,
    dtype: Any = None,
    skipna: bool = False,
) -> da.Array:
    """A scan along an axis, or of the flattened array, as :func:`upsweep.scan`.

    Args:
        x: A Dask array of chunks of NumPy or CuPy arrays, of any and unequal sizes.
        op: "prod", "sum", "max", "min" or "logaddexp".
        axis: The axis, counted from the end when negative; None scans the array as
            NumPy's ravel orders it.
        reverse: Scan from the last element to the first.
        inclusive: Whether an element counts in its own result.
        initial: What each line starts with: a number, a :class:`~upsweep.Carry`, or a
            NumPy or Dask array of the shape of x without the axis.
        reset: Where new segments start: a NumPy or Dask array of bool of the shape of
            x, or, for one axis, integer offsets.
        dtype: The dtype to which x is converted first, and of the result; NumPy's or
            upsweep's.
        skipna: NaN counts as the identity.

    Returns:
        A lazy Dask array of the shape and chunks of x.

    Raises:
        IndexError: x has no such axis.
        TypeError: x is no Dask array, or its chunks or an argument have a type that
            cannot be scanned.
        ValueError: The sizes of chunks are unknown, op is unknown, or initial or reset
            does not fit x.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """
    return _scan("scan", x, op, axis, reverse, inclusive, initial, reset, dtype, skipna)


def _scan_like(op: str, function: Any) -> Any:
    """The scan with one operator, with the name and signature of upsweep's function."""

    def scan_of(
        x: da.Array,
        /,
        axis: int | None = None,
        *,
        reverse: bool = False,
        inclusive: bool = True,
    ) -> da.Array:
        return _scan(function.__name__, x, op, axis, reverse, inclusive)

    scan_of.__name__ = scan_of.__qualname__ = function.__name__
    scan_of.__doc__ = f"""As :func:`upsweep.{function.__name__}`, of a Dask array.

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
) -> da.Array:
    """h[i] = a[i] * h[i - 1] + b[i], as :func:`upsweep.linear_recurrence`.

    Between chunks h passes with an exponent that has no bounds. For complex64 it
    passes in the dtype; there and on a GPU it is rounded to the dtype once a chunk.

    Args:
        a, b: Arrays of one dtype that broadcast. At least one is a Dask array; the
            other may be a NumPy array or a number. Their chunks are of any size.
        axis: The axis, counted from the end when negative.
        reverse: Go from the last element to the first.
        inclusive: Whether h[i] is result i; else h[i - 1] is.
        initial: h before the first element: a number, or a NumPy or Dask array of the
            shape of the result without the axis. None is 0.
        reset: Where h is 0 before the element: a NumPy or Dask array of bool of the
            shape of the result, or, for one axis, integer offsets.

    Returns:
        A lazy Dask array.

    Raises, source: as :func:`scan`.
    """
    name = "linear_recurrence"
    if not isinstance(a, da.Array) and not isinstance(b, da.Array):
        raise TypeError(f"[{name}] a or b must be a Dask array; {_dask_graph.WRAP}")
    # upsweep's own errors, and the dtype of the result.
    result = upsweep.linear_recurrence(
        _one(a),
        _one(b),
        axis,
        reverse=reverse,
        inclusive=inclusive,
        initial=None if _dask_graph.is_per_line(initial) else initial,
        stream=_chunks.CPU,
    )
    _dask_graph.of_one_library(name, a=a, b=b)
    dtype = _chunks.numpy_dtype(result.dtype)
    a, b = (each if _is_array(each) else np.asarray(each, dtype) for each in (a, b))
    a, b = (
        each if isinstance(each, da.Array) else da.from_array(each) for each in (a, b)
    )
    _dask_graph.checked(name, a=a, b=b)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError as error:
        raise ValueError(
            f"[{name}] a of shape {a.shape} and b of shape {b.shape} cannot be "
            "broadcast."
        ) from error
    chunkwise = _chunked_recurrence.Recurrence(
        axis % result.ndim, reverse, inclusive, result.dtype
    )
    return _dask_graph.build(name, chunkwise, [a, b], initial, reset)


def _scan(
    name: str,
    x: Any,
    op: str,
    axis: int | None,
    reverse: bool,
    inclusive: bool,
    initial: Any = None,
    reset: Any = None,
    dtype: Any = None,
    skipna: bool = False,
) -> da.Array:
    (x,) = _dask_graph.checked(name, x=x)
    # upsweep's own errors, and the dtype of the result.
    one = upsweep.scan(
        _one(x),
        op,
        axis,
        reverse=reverse,
        inclusive=inclusive,
        initial=None if _dask_graph.is_per_line(initial) else initial,
        dtype=_chunks.as_dtype(dtype),
        skipna=skipna,
        stream=_chunks.CPU,
    )
    if axis is None:
        if _is_array(reset) and reset.dtype == bool and reset.shape == x.shape:
            reset = _flattened(reset)
        x, axis = _flattened(x), 0
    chunkwise = _chunks.Scan(op, axis % x.ndim, reverse, inclusive, one.dtype, skipna)
    return _dask_graph.build(name, chunkwise, [x], initial, reset)


def _is_array(value: Any) -> bool:
    return isinstance(value, (da.Array, np.ndarray, np.generic))


def _one(x: Any) -> Any:
    """An array of one element in place of an array; x if that is no array."""
    return _chunks.one_like(x) if _is_array(x) else x


def _flattened(x: Any) -> Any:
    if isinstance(x, da.Array):
        # Dask reshapes neither arrays without elements nor those of empty chunks.
        if x.size == 0:
            return da.empty_like(x, shape=(0,), chunks=(0,))
        x = _dask_graph.without_empty_chunks(x)
    return x.reshape(-1)
