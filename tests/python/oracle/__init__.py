"""The oracle: does a scan's result keep the contract of the numerics page?

It shares no code with the implementation. A float is an integer times a power of two,
so it follows products and sums in Python's integers, element by element, in scan order,
wherever NumPy's wider numbers leave a doubt about a result (at_once.py).
If the contract leaves a choice (at the thresholds of a dtype's range), the oracle
follows every legal branch, and a result is wrong if none of them explains it.
"""

from typing import Any, NamedTuple

import numpy as np

from . import at_once, extremum, frexp, integers, logsum, product, total
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
        # An empty array may have more lines than can be counted one by one.
        lines = self.different(before, starts, rows, results) if self.y.size else []
        doubtful, worst = self.at_once(before, starts, rows, results, lines)
        for line in doubtful:
            xs, ys = rows[line], results[line]
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

    @staticmethod
    def different(before, starts, rows, results):
        """The first of each kind of line, because tests of layouts repeat one."""
        first = {}
        for line, (xs, ys) in enumerate(zip(rows, results, strict=True)):
            contents = tuple(values.tobytes() for values in (xs, ys, before[line]))
            first.setdefault((contents, frozenset(starts[line])), line)
        return list(first.values())

    def at_once(self, before, starts, rows, results, lines):
        """The lines that have to be followed, and the largest error in the others."""
        if self.include_initial and not self.inclusive:
            return lines, 0.0
        # Segments of about one length are judged together. The first one of a line goes
        # on from what comes before it, and may have the initial value as a result.
        n = rows.shape[1]
        groups = {}
        for line in lines:
            begin, is_first = 0, True
            for end in [*sorted(at for at in starts[line] if 0 <= at < n), n]:
                if end > begin or is_first:
                    kind = is_first, (end - begin).bit_length()
                    groups.setdefault(kind, []).append((line, begin, end))
                begin, is_first = end, False
        doubtful, worst = set(), 0.0
        for (is_first, _), segments in groups.items():
            extra = is_first and self.include_initial
            length = max(end - begin for _, begin, end in segments)
            elements = np.zeros((len(segments), length), rows.dtype)
            found = np.zeros((len(segments), length + extra), results.dtype)
            counts = np.array([end - begin + extra for _, begin, end in segments])
            for i, (line, begin, end) in enumerate(segments):
                elements[i, : end - begin] = rows[line, begin:end]
                begin += self.include_initial and not is_first
                found[i, : counts[i]] = results[line, begin : begin + counts[i]]
            first = int(self.inclusive and not extra)
            if is_first and before.shape[1]:
                earlier = before[[line for line, _, _ in segments]]
                elements = np.concatenate([earlier, elements], axis=1)
                first += before.shape[1]
            right, error = at_once.settled(self.op, elements, found, counts, first)
            doubtful.update(
                line for (line, _, _), sure in zip(segments, right, strict=True)
                if not sure
            )  # fmt: skip
            worst = max(worst, error)
        return sorted(doubtful), worst

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
