"""The oracle: does a scan's result keep the contract of the numerics page?

It shares no code with the implementation. A float is an integer times a power of two,
so it follows products and sums in Python's integers, element by element, in scan order.
If the contract leaves a choice (at the thresholds of a dtype's range), the oracle
follows every legal branch, and a result is wrong if none of them explains it.
"""

import math

import numpy as np

from . import extremum, integers, logsum, product, total
from .formats import FORMATS

COMPLEX = "complex64"


def check(op, x, y, *, axis=None, reverse=False, inclusive=True):
    """Raises AssertionError at the first element of y that breaks the contract.

    Returns the largest error met, in the unit of the operator's bound: ulps for
    cumprod and logcumsumexp, units of 2^-24 of the norm for complex cumprod,
    fractions of the bound for cumsum.
    """
    if op == "cumsum" and x.dtype.name == COMPLEX:
        options = {"axis": axis, "reverse": reverse, "inclusive": inclusive}
        return max(check(op, x.real, y.real, **options),
                   check(op, x.imag, y.imag, **options))  # fmt: skip
    monoid = monoid_of(op, x.dtype.name, y.dtype.name)
    worst = 0.0
    for lane, (xs, ys) in enumerate(zip(lanes(x, axis), lanes(y, axis), strict=True)):
        if reverse:
            xs, ys = xs[::-1], ys[::-1]
        found = walk(monoid, monoid.decode(xs), monoid.decode_result(ys), inclusive)
        if found.position is not None:
            at = len(xs) - 1 - found.position if reverse else found.position
            raise AssertionError(
                f"{op} of {x.dtype.name}{list(x.shape)}, axis={axis}, "
                f"reverse={reverse}, inclusive={inclusive}: wrong at index "
                f"{place(x, axis, lane, at)}, element {found.position} in scan "
                f"order, after {xs[max(found.position - 2, 0) : found.position + 1]}: "
                f"got {ys[found.position]!r}, expected {found.expected} "
                f"(off by {found.error:.4g}, allowed {monoid.bound})"
            )
        worst = max(worst, found.error)
    return worst


def monoid_of(op, dtype, result_dtype):
    if op in ("cummax", "cummin"):
        return extremum.Extremum(op, dtype)
    if op == "logcumsumexp":
        return logsum.LogSum(dtype, result_dtype)
    if dtype in FORMATS:
        of_floats = {"cumprod": product.Product, "cumsum": total.Total}
        return of_floats[op](FORMATS[dtype])
    if dtype == COMPLEX:
        return product.ComplexProduct()
    return integers.Wrapping(op, dtype, result_dtype)


def lanes(values, axis):
    """The rows to scan, outer index by outer index, axis None flattened."""
    if axis is None:
        return values.reshape(1, -1)
    length = values.shape[axis]
    rows = math.prod(values.shape) // length if length else 0
    return np.moveaxis(values, axis, -1).reshape(rows, length)


def place(x, axis, lane, position):
    """The index into x of an element of a lane."""
    if axis is None:
        return position
    outer = list(np.delete(x.shape, axis))
    index = [int(i) for i in np.unravel_index(lane, outer)] if outer else []
    index.insert(axis % x.ndim, position)
    return tuple(index)


class Found:
    """The outcome of a walk: the first wrong position, if any, and the worst error."""

    def __init__(self, error, position=None, expected=None):
        self.error = error
        self.position = position
        self.expected = expected


def walk(monoid, xs, ys, inclusive):
    """Follows one lane. A state is a legal running value; there are several only
    after a step that the contract leaves open."""
    states = [monoid.start]
    step, error_of, bound = monoid.step, monoid.error, monoid.bound
    worst = 0.0
    for position, (x, y) in enumerate(zip(xs, ys, strict=True)):
        after = step(states[0], x) if len(states) == 1 else steps(step, states, x)
        judged = after if inclusive else states
        if len(judged) == 1:
            error = error_of(judged[0], y)
            if error > bound:
                return Found(error, position, monoid.show(judged[0]))
            kept = judged
        else:
            errors = [error_of(state, y) for state in judged]
            error = min(errors)
            if error > bound:
                return Found(error, position, " or ".join(map(monoid.show, judged)))
            kept = [s for s, e in zip(judged, errors, strict=True) if e <= bound]
        if error > worst:
            worst = error
        if inclusive:
            states = kept
        else:
            states = after if kept is states else steps(step, kept, x)
    return Found(worst)


def steps(step, states, x):
    return list(dict.fromkeys(new for state in states for new in step(state, x)))
