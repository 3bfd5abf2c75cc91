"""What numpy.cumprod and numpy.cumsum call of an array: NumPy's rules for dtypes and
out, upsweep's scan.

NumPy calls the method with axis, dtype and out. Where that raises TypeError, it
converts the array and runs its own loop."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

import upsweep

_OPERATORS = {"cumprod": "prod", "cumsum": "sum"}


def cumulated(a: upsweep.array, name: str, axis: Any, dtype: Any, out: Any) -> Any:
    """The scan as a NumPy array, or in out.

    Raises:
        TypeError: upsweep lacks the dtype, which leaves the scan to NumPy.
        ValueError: out has another shape than the result.
        numpy.exceptions.AxisError: The array has no such axis.
    """
    if out is not None and not isinstance(out, np.ndarray):
        raise TypeError(f"[{name}] out must be a NumPy array.")
    if dtype is not None:
        wanted = np.dtype(dtype)
    elif out is not None:
        wanted = np.result_type(np.asarray(a).dtype, out.dtype)
    else:
        wanted = _widened(np.asarray(a).dtype)
    known = "bool_" if wanted.kind == "b" else wanted.name
    if known not in upsweep.__all__:
        raise TypeError(f"[{name}] upsweep has no dtype {wanted}.")
    axis = _axis(name, axis, a.ndim)
    # The CPU has every dtype, and the result goes there anyway.
    result = upsweep.scan(
        a,
        _OPERATORS[name],
        axis,
        dtype=getattr(upsweep, known),
        stream=upsweep.Device(upsweep.cpu),
    )
    if out is None:
        return np.array(result)
    if out.shape != result.shape:
        raise ValueError(
            f"[{name}] out must have the shape {result.shape}, not {out.shape}."
        )
    np.copyto(out, np.asarray(result), casting="unsafe")
    return out


def _axis(name: str, axis: Any, ndim: int) -> Any:
    """The axis as upsweep takes it. To NumPy a scalar has one here."""
    if axis is None:
        return None
    axis, axes = operator.index(axis), max(ndim, 1)
    if not -axes <= axis < axes:
        errors = getattr(np, "exceptions", np)  # NumPy before 1.25
        raise errors.AxisError(axis, ndim, f"[{name}]")
    return axis if ndim > 0 else None


def _widened(dtype: Any) -> Any:
    """NumPy's results of small integers and bool have the platform's integer."""
    if dtype.kind in "biu" and dtype.itemsize < np.dtype(np.int_).itemsize:
        return np.dtype(np.uint if dtype.kind == "u" else np.int_)
    return dtype
