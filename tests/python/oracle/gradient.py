"""cumprod_vjp and cumprod_jvp: sums of products, followed in integers, with the bound
of the contract.

Products and sums are those of the definition, one element after the other, with numbers
as those of `recurrence`. S is the same with magnitudes. Each segment between resets is
a line of its own.
"""

from typing import NamedTuple

import numpy as np

from . import at_once
from .formats import FORMATS
from .recurrence import (
    NONE,
    UNIT,
    add,
    advance,
    cut,
    decode,
    error,
    exact,
    mask_of,
    norm,
    part_name,
    raised,
    rows_of,
)
from .verdicts import kept

ONE = (1, 0)


@kept
def check(kind, x, terms, y, *, axis, reverse=False, inclusive=True, reset=None,
          unit=None):  # fmt: skip
    """Raises AssertionError at the first element of y that breaks the contract. kind is
    vjp or jvp; x, terms and y are of one dtype and shape. reset is a mask of that shape
    or, for one axis, offsets. unit is the exponent of a step's error, by default that
    of the CPU. Returns the largest error met, as a fraction of the bound."""
    if reset is not None:
        options = {"reverse": reverse, "inclusive": inclusive, "unit": unit}
        return check_segments(kind, x, terms, y, axis, reset, options)
    name = y.dtype.name
    if unit is None:
        unit = UNIT.get(name, -52)
    fmt = FORMATS[part_name(name)]
    turn = slice(None, None, -1 if reverse else 1)
    rows = [rows_of(values, axis) for values in (x, terms, y)]
    settled, worst = at_once.gradients(
        kind, *(values[:, turn] for values in rows), unit, fmt, inclusive
    )
    for line in np.flatnonzero(~settled).tolist():
        values = [row[line] for row in rows]
        xs, cs, ys = (decode(v[turn], name) for v in values)
        if not xs:
            continue
        follow = {"vjp": follow_vjp, "jvp": follow_jvp}[kind]
        steps = 2 * len(xs) + 2
        results = follow(
            [exact(p) for p in xs], [exact(p) for p in cs], inclusive, unit
        )
        for position, (found, right) in enumerate(zip(ys, results, strict=True)):
            by = error(right.h, right.size, steps, found, fmt, unit)
            assert by <= 1, (
                f"cumprod_{kind} of {name}{list(x.shape)}, axis={axis}, "
                f"reverse={reverse}, inclusive={inclusive}: wrong in line {line} at "
                f"element {position} in scan order: got {values[2][turn][position]!r}, "
                f"{by:.4g} times the bound"
            )
            worst = max(worst, by)
    return worst


def check_segments(kind, x, terms, y, axis, reset, options):
    reverse, worst = options["reverse"], 0.0
    if reset.dtype != bool:
        reset = mask_of(reset, x.shape, reverse)
    rows = [rows_of(values, axis) for values in (x, terms, y)]
    for line, flags in enumerate(rows_of(reset, axis)):
        # Backwards, a segment ends after the element with the reset.
        cuts = np.flatnonzero(flags) + reverse
        segments = zip(*(np.split(row[line], cuts) for row in rows), strict=True)
        for segment in segments:
            worst = max(worst, check(kind, *segment, axis=0, **options))
    return worst


class State(NamedTuple):
    """A number, the same of magnitudes, and the steps so far. The number is None where
    the contract lets it be anything."""

    h: tuple | None
    size: tuple
    steps: int


def step(a, state, b, unit):
    """a h + b."""
    h, size, steps = state
    if a is None or b is None:
        return State(None, size, steps + 1)
    return State(*advance(a, h, b, size, steps, unit), steps + 1)


def plus(state, c):
    """h + c, part by part."""
    if state.h is None:
        return state
    parts = []
    for p, q in zip(state.h, c, strict=True):
        if isinstance(p, tuple) and isinstance(q, tuple):
            parts.append(add(p, q))
        else:
            parts.append(sum(v for v in (p, q) if isinstance(v, float)))
    size = raised(add(state.size, norm(c)))
    return State(tuple(cut(p, size) for p in parts), size, state.steps + 1)


def follow_vjp(xs, cs, inclusive, unit):
    zero, one = (NONE,) * len(xs[0]), (ONE, NONE)[: len(xs[0])]
    product, before = State(one, ONE, 0), []
    for x in xs:
        before.append(product)
        product = step(x, product, zero, unit)
    h, results = State(zero, NONE, 0), []
    for x, c, p in zip(reversed(xs), reversed(cs), reversed(before), strict=True):
        if inclusive:
            h = plus(h, c)
            results.append(step(p.h, h, zero, unit))
            h = step(x, h, zero, unit)
        else:
            results.append(step(p.h, h, zero, unit))
            h = step(x, h, c, unit)
    return reversed(results)


def follow_jvp(xs, cs, inclusive, unit):
    zero, one = (NONE,) * len(xs[0]), (ONE, NONE)[: len(xs[0])]
    product, h, results = State(one, ONE, 0), State(zero, NONE, 0), []
    for x, c in zip(xs, cs, strict=True):
        after = step(x, h, step(c, product, zero, unit).h, unit)
        results.append(after if inclusive else h)
        product, h = step(x, product, zero, unit), after
    return results
