"""What numpy.cumprod and numpy.cumsum call of an array: NumPy's rules for dtypes and
out, upsweep's scan.

NumPy calls the method with axis, dtype and out. Where that raises TypeError, it
converts the array and runs its own loop."""

from __future__ import annotations

from typing import Any

import numpy as np

import upsweep

_OPERATORS = {"cumprod": "prod", "cumsum": "sum"}


def cumulated(a: upsweep.array, name: str, axis: Any, dtype: Any, out: Any) -> Any:
    """The scan as a NumPy array, or in out.

    Raises:
        TypeError: upsweep lacks the dtype, which leaves the scan to NumPy.
        ValueError: out has another shape than the result.
    """
    if dtype is not None:
        wanted = np.dtype(dtype)
    elif out is not None:
        wanted = out.dtype
    else:
        wanted = _widened(np.asarray(a).dtype)
    known = "bool_" if wanted.kind == "b" else wanted.name
    if known not in upsweep.__all__:
        raise TypeError(f"[{name}] upsweep has no dtype {wanted}.")
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


def _widened(dtype: Any) -> Any:
    """NumPy's results of small integers and bool have the platform's integer."""
    if dtype.kind in "biu" and dtype.itemsize < np.dtype(np.int_).itemsize:
        return np.dtype(np.uint if dtype.kind == "u" else np.int_)
    return dtype
