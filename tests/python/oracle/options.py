"""The options of a general scan: what lines start with, where segments start, and the
conversion of the input. Everything here comes in scan order."""

import math
from typing import Any, NamedTuple

import numpy as np

from .conversion import convert

IDENTITIES = {"cumprod": 1, "cumsum": 0, "cummax": -math.inf, "cummin": math.inf,
              "logcumsumexp": -math.inf}  # fmt: skip


class After(NamedTuple):
    """An initial value: the state in which the lines of another array end, whose own
    lines start with `initial`. The oracle follows their elements."""

    values: Any
    initial: Any = None


def lanes(values, axis):
    """The rows to scan, outer index by outer index, axis None flattened."""
    if axis is None:
        return values.reshape(1, -1)
    rows = math.prod(np.delete(values.shape, axis).tolist())
    return np.moveaxis(values, axis, -1).reshape(rows, values.shape[axis])


def in_scan_order(rows, reverse):
    return rows[:, ::-1] if reverse else rows


def elements_before(initial, count, dtype, axis, reverse):
    """What comes before each of `count` lines: an array of their rows."""
    if initial is None:
        return np.empty((count, 0), dtype)
    if isinstance(initial, After):
        first = elements_before(initial.initial, count, dtype, axis, reverse)
        rows = lanes(convert(initial.values, dtype), axis)
        return np.concatenate([first, in_scan_order(rows, reverse)], axis=1)
    rows = convert(initial, dtype).reshape(-1, 1)
    return np.broadcast_to(rows, (count, 1))


def segment_starts(reset, shape, axis, reverse):
    """For each line the positions at which a segment starts from the identity."""
    if reset is None:
        return None
    reset = np.asarray(reset)
    if reset.dtype == bool:
        assert reset.shape == shape
        rows = in_scan_order(lanes(reset, axis), reverse)
        return [set(np.flatnonzero(row).tolist()) for row in rows]
    # The boundaries of segments, from the left; backwards, a segment starts at the
    # element on the left of its boundary.
    n = math.prod(shape)
    offsets = reset.tolist()
    return [{n - at for at in offsets} if reverse else set(offsets)]


def without_nan(op, x, dtype=None):
    """NaN becomes the identity, of complex numbers that of both parts; or what the
    dtype, to which x is converted next, makes the identity."""
    identity = IDENTITIES[op]
    if dtype is not None and np.dtype(dtype) == bool:
        identity = int(op in ("cumprod", "cummin"))
    if x.dtype.kind == "c" and op in ("cummax", "cummin"):
        identity = complex(identity, identity)
    kept = np.array(x)
    with np.errstate(invalid="ignore"):  # of ml_dtypes, for signalling NaNs
        kept[np.isnan(kept)] = identity
    return kept
