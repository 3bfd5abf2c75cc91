"""The oracle: does a scan's result keep the contract of the numerics page?

It shares no code with the implementation. A float is an integer times a power of two,
so it follows products and sums in Python's integers, element by element, in scan order.
If the contract leaves a choice (at the thresholds of a dtype's range), the oracle
follows every legal branch, and a result is wrong if none of them explains it.
"""

from typing import Any, NamedTuple

import numpy as np

from . import extremum, frexp, integers, logsum, product, total
from .conversion import convert
from .formats import FORMATS
from .frexp import pairs
from .options import (
    After,
    elements_before,
    in_scan_order,
    lanes,
    segment_starts,
    without_nan,
)
from .verdicts import kept

__all__ = ["After", "check", "pairs"]

COMPLEX = "complex64"


@kept
def check(
    op,
    x,
    y,
    *,
    axis=None,
    reverse=False,
    inclusive=True,
    initial=None,
    reset=None,
    dtype=None,
    include_initial=False,
    skipna=False,
):
    """Raises AssertionError at the first element of y that breaks the contract.

    The options are those of upsweep.scan, except that an initial value is a number, an
    array or After(...), the elements of other lines. Of cumprod_frexp, y is
    pairs(mantissa, exponent).

    Returns the largest error met, in the unit of the operator's bound: ulps for
    cumprod, cumprod_frexp and logcumsumexp, units of 2^-24 of the norm for complex
    cumprod, fractions of the bound for cumsum.
    """
    result = y["mantissa"].dtype if y.dtype.names else y.dtype
    if skipna and x.dtype.kind not in "biu":
        x = without_nan(op, x, dtype)
    if dtype is not None:
        x = convert(x, dtype)
    elif op == "cumprod_frexp" and x.dtype.kind in "biu":
        x = convert(x, np.float32)
    rows = lanes(y, axis)
    computing = x.dtype if op == "cumprod_frexp" else result
    before = elements_before(initial, len(rows), computing, axis, reverse)
    starts = segment_starts(reset, x.shape, axis, reverse) or [()] * len(rows)
    lines = Lines(op, x, y, axis, reverse, inclusive, include_initial)
    if op == "cumsum" and x.dtype.name == COMPLEX:
        re = lines._replace(x=x.real, y=y.real)
        im = lines._replace(x=x.imag, y=y.imag)
        return max(re.check(before.real, starts), im.check(before.imag, starts))
    return lines.check(before, starts)


class Lines(NamedTuple):
    """The lines of a converted input and the results for them."""

    op: str
    x: Any
    y: Any
    axis: int | None
    reverse: bool
    inclusive: bool
    include_initial: bool

    def check(self, before, starts):
        """Each line against what comes before it and where its segments start."""
        rows, results = (
            in_scan_order(lanes(values, self.axis), self.reverse)
            for values in (self.x, self.y)
        )
        monoid = monoid_of(self.op, self.x.dtype.name, self.y.dtype)
        worst = 0.0
        judged = set()
        # An empty array may have more lines than can be counted one by one.
        for line in range(len(rows) if self.y.size else 0):
            xs, ys = rows[line], results[line]
            # Tests of layouts repeat one line.
            contents = tuple(values.tobytes() for values in (xs, ys, before[line]))
            if (same := (contents, frozenset(starts[line]))) in judged:
                continue
            judged.add(same)
            states = [monoid.start]
            for element in monoid.decode(before[line]):
                states = steps(monoid.step, states, element)
            found = walk(
                monoid,
                states,
                monoid.decode(xs),
                monoid.decode_result(ys),
                starts[line],
                self.inclusive,
                self.include_initial,
            )
            if found.position is not None:
                self.fail(monoid, found, line, before[line], xs, ys)
            worst = max(worst, found.error)
        return worst

    def fail(self, monoid, found, line, before, xs, ys):
        position = found.position
        at = len(ys) - 1 - position if self.reverse else position
        element = position - self.include_initial
        context = xs[max(element - 2, 0) : element + 1]
        raise AssertionError(
            f"{self.op} of {self.x.dtype.name}{list(self.x.shape)}, "
            f"axis={self.axis}, reverse={self.reverse}, inclusive={self.inclusive}, "
            f"include_initial={self.include_initial}, {before.size} elements before: "
            f"wrong at index {place(self.y, self.axis, line, at)}, element {position} "
            f"in scan order, after {context}: got {ys[position]!r}, expected "
            f"{found.expected} (off by {found.error:.4g}, allowed {monoid.bound})"
        )


def monoid_of(op, dtype, result):
    if op in ("cummax", "cummin"):
        return extremum.Extremum(op, dtype)
    if op == "logcumsumexp":
        return logsum.LogSum(dtype, result.name)
    if op == "cumprod_frexp":
        return frexp.Frexp(dtype)
    if dtype in FORMATS:
        of_floats = {"cumprod": product.Product, "cumsum": total.Total}
        return of_floats[op](FORMATS[dtype])
    if dtype == COMPLEX:
        return product.ComplexProduct()
    return integers.Wrapping(op, dtype, result.name)


def place(y, axis, line, position):
    """The index into y of an element of a line."""
    if axis is None:
        return position
    outer = list(np.delete(y.shape, axis))
    index = [int(i) for i in np.unravel_index(line, outer)] if outer else []
    index.insert(axis % y.ndim, position)
    return tuple(index)


class Found:
    """The outcome of a walk: the first wrong position, if any, and the worst error."""

    def __init__(self, error, position=None, expected=None):
        self.error = error
        self.position = position
        self.expected = expected


def walk(monoid, states, xs, ys, starts, inclusive, include_initial):
    """Follows one line. A state is a legal running value; there are several only
    after a step that the contract leaves open."""
    if include_initial:
        xs = [None, *xs]
        starts = {at + 1 for at in starts}
    worst = 0.0
    for position, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if position in starts:
            states = [monoid.start]
        is_initial = include_initial and position == 0
        after = states if is_initial else steps(monoid.step, states, x)
        judged = after if inclusive else states
        errors = [monoid.error(state, y) for state in judged]
        error = min(errors)
        if error > monoid.bound:
            return Found(error, position, " or ".join(map(monoid.show, judged)))
        worst = max(worst, error)
        kept = [s for s, e in zip(judged, errors, strict=True) if e <= monoid.bound]
        if inclusive:
            states = kept
        elif len(kept) == len(states):
            states = after
        else:
            states = steps(monoid.step, kept, x)
    return Found(worst)


def steps(step, states, x):
    if len(states) == 1:
        return step(states[0], x)
    return list(dict.fromkeys(new for state in states for new in step(state, x)))
