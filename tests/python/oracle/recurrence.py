"""linear_recurrence: h = a h + b followed in integers, with the bound of the contract.

A number is an integer times a power of two, a complex one a pair of them. S is the same
recurrence of magnitudes. h is cut off only PRECISION bits below S, and S is rounded up.
Where an element is not finite, Python's floats follow, which know signs and zeros; an
infinity times a number that the contract lets round to zero or to either sign may be
anything, and so may all that follows it.
"""

import math

import numpy as np

from . import at_once
from .formats import FORMATS, INF, NAN, NEGATIVE_INF, NEGATIVE_ZERO, ZERO
from .verdicts import kept

PRECISION = 400
NONE = (0, 0)
# What a rounding in the computation costs: a step, relative to S, as 2 to this power.
UNIT = {"float64": -53, "complex64": -50}
# The same of those dtypes that a GPU computes itself.
GPU_UNIT = {"float16": -44, "bfloat16": -44, "float32": -44}


@kept
def check(a, b, y, *, axis=-1, reverse=False, inclusive=True, initial=None,
          reset=None, unit=None):  # fmt: skip
    """Raises AssertionError at the first element of y that breaks the contract. a and b
    are of one dtype; initial has that dtype, too. Returns the largest error met, as a
    fraction of the bound."""
    name = y.dtype.name
    unit = UNIT.get(name, -52) if unit is None else unit
    shape = np.broadcast_shapes(a.shape, b.shape)
    assert y.shape == shape
    lines = math.prod(np.delete(shape, axis))
    rows = [rows_of(np.broadcast_to(x, shape), axis) for x in (a, b, y)]
    if reset is not None and reset.dtype != bool:
        reset = mask_of(reset, shape, reverse)
    resets = [None] * lines if reset is None else rows_of(reset, axis)
    start = np.zeros((), y.dtype) if initial is None else np.asarray(initial)
    starts = np.broadcast_to(start, np.delete(shape, axis)).reshape(-1)
    turn = slice(None, None, -1 if reverse else 1)
    fmt = FORMATS[part_name(name)]
    flags = None if reset is None else resets[:, turn]
    settled, worst = at_once.recurrences(
        *(values[:, turn] for values in rows), flags, starts, unit, fmt, inclusive
    )
    for line in np.flatnonzero(~settled).tolist():
        xs, bs, ys, flags = (values[line] for values in (*rows, resets))
        numbers = [decode(values[turn], name) for values in (xs, bs, ys)]
        flags = [False] * len(xs) if flags is None else flags[turn].tolist()
        first = decode(starts[line : line + 1], name)[0]
        walk = follow(numbers, flags, first, fmt, unit, inclusive)
        for position, error in enumerate(walk):
            last = slice(max(position - 3, 0), position + 1)
            assert error <= 1, (
                f"linear_recurrence of {name}{list(shape)}, axis={axis}, "
                f"reverse={reverse}, inclusive={inclusive}: wrong in line {line} at "
                f"element {position} in scan order: got {ys[turn][position]!r} after "
                f"a={xs[turn][last]}, b={bs[turn][last]}, "
                f"{error:.4g} times the bound"
            )
            worst = max(worst, error)
    return worst


def mask_of(offsets, shape, reverse):
    """Where the segments of one line start; backwards, at their last elements."""
    (n,) = shape
    mask = np.zeros(n, bool)
    for at in offsets.tolist():
        if 0 <= at - reverse < n:
            mask[at - reverse] = True
    return mask


def part_name(name):
    return "float32" if name == "complex64" else name


def rows_of(values, axis):
    moved = np.moveaxis(values, axis, -1)
    return moved.reshape(math.prod(moved.shape[:-1]), moved.shape[-1])


def decode(values, name):
    """Each element as a tuple of parts."""
    if name == "complex64":
        parts = FORMATS["float32"].decode(np.ascontiguousarray(values).view("float32"))
        return list(zip(parts[::2], parts[1::2], strict=True))
    return [(part,) for part in FORMATS[name].decode(values)]


def follow(numbers, flags, first, fmt, unit, inclusive):
    """Yields the error of each result, as a fraction of the bound."""
    nothing = (NONE,) * len(first)
    h, size, steps = exact(first), norm(exact(first)), 0
    for a, b, y, is_reset in zip(*numbers, flags, strict=True):
        if is_reset:
            h, size, steps = nothing, NONE, 0
        if not inclusive:
            yield error(h, size, steps, y, fmt, unit)
        if is_reset:
            h, size = exact(b), norm(exact(b))
        else:
            h, size = advance(exact(a), h, exact(b), size, steps, unit)
        steps += 1
        if inclusive:
            yield error(h, size, steps, y, fmt, unit)


def exact(parts):
    """Zeros as integers, other special numbers as floats."""
    floats = {INF: math.inf, NEGATIVE_INF: -math.inf, NAN: math.nan}
    zeros = {ZERO, NEGATIVE_ZERO}
    return tuple(NONE if p in zeros else floats.get(p, p) for p in parts)


def advance(a, h, b, size, steps, unit):
    if h is None:
        return None, size
    if all(isinstance(p, tuple) for p in a + h):
        product = multiply(a, h)
        size = raised(add(times(norm(a), size), norm(b)))
        h = tuple(add(p, q) if isinstance(q, tuple) else q
                  for p, q in zip(product, b, strict=True))  # fmt: skip
        return tuple(cut(p, size) for p in h), size
    if any(isinstance(p, tuple) and is_uncertain(p, size, steps, unit) for p in h):
        return None, size
    parts = textbook([as_sign(p) for p in a], [as_sign(p) for p in h])
    assert not any(map(math.isfinite, parts))
    return tuple(p if isinstance(q, tuple) else p + q
                 for p, q in zip(parts, b, strict=True)), size  # fmt: skip


def is_uncertain(part, size, steps, unit):
    """Whether the computed number may be zero or have the other sign."""
    allowed = times(size, (steps + 2, unit + 2))
    return size[0] != 0 and less((abs(part[0]), part[1]), allowed)


def as_sign(part):
    return part if isinstance(part, float) else float((part[0] > 0) - (part[0] < 0))


def textbook(a, h):
    if len(a) == 1:
        return (a[0] * h[0],)
    return (a[0] * h[0] - a[1] * h[1], a[0] * h[1] + a[1] * h[0])


def multiply(a, h):
    if len(a) == 1:
        return (times(a[0], h[0]),)
    minus = (-a[1][0], a[1][1])
    return (add(times(a[0], h[0]), times(minus, h[1])),
            add(times(a[0], h[1]), times(a[1], h[0])))  # fmt: skip


def times(x, y):
    return (x[0] * y[0], x[1] + y[1])


def add(x, y):
    if x[0] == 0:
        return y
    if y[0] == 0:
        return x
    base = min(x[1], y[1])
    return ((x[0] << (x[1] - base)) + (y[0] << (y[1] - base)), base)


def less(x, y):
    return add(x, (-y[0], y[1]))[0] < 0


def norm(parts):
    """At least the magnitude; nothing for parts that are not finite."""
    finite = [p for p in parts if isinstance(p, tuple)]
    if len(finite) < 2:
        return (abs(finite[0][0]), finite[0][1]) if finite else NONE
    m, e = add(times(finite[0], finite[0]), times(finite[1], finite[1]))
    shift = max(0, 128 - m.bit_length())
    shift += (e - shift) % 2
    return NONE if m == 0 else (math.isqrt(m << shift) + 1, (e - shift) // 2)


def raised(x):
    """Rounded up to 64 bits."""
    excess = x[0].bit_length() - 64
    return x if excess <= 0 else ((x[0] >> excess) + 1, x[1] + excess)


def cut(part, size):
    """Without the bits that are far below the size."""
    if not isinstance(part, tuple):
        return part
    excess = size[1] + size[0].bit_length() - PRECISION - part[1]
    return part if excess <= 0 else (part[0] >> excess, part[1] + excess)


def error(h, size, steps, y, fmt, unit):
    """The largest of the parts, as a fraction of the bound."""
    if h is None:
        return 0.0
    return max(part_error(p, size, steps, q, fmt, unit)
               for p, q in zip(h, exact(y), strict=True))  # fmt: skip


def part_error(h, size, steps, y, fmt, unit):
    if isinstance(h, float):
        same = isinstance(y, float) and (h == y or (h != h and y != y))
        return 0.0 if same else math.inf
    allowed = times(size, (steps + 2, unit))
    if isinstance(y, float):
        if y != y:
            return math.inf
        # The bound applies to the threshold of infinity, too.
        half = (2 ** (fmt.precision + 1) - 1, fmt.emax - fmt.precision)
        short = add(half, (-h[0] if y > 0 else h[0], h[1]))
        return 0.0 if short[0] <= 0 else fraction(short, allowed)
    top = max(top_of(h), top_of(y), fmt.emin + 1)
    # Rounding by way of float32 may add a little to half an ulp of 16 bits.
    half = (1025, fmt.ulp_exponent(top) - 11)
    distance = add(y, (-h[0], h[1]))
    return fraction((abs(distance[0]), distance[1]), add(half, allowed))


def top_of(x):
    return x[0].bit_length() + x[1] if x[0] else -(10**9)


def fraction(x, y):
    if x[0] == 0:
        return 0.0
    if y[0] == 0:
        return math.inf
    top = top_of(x) - top_of(y)
    if abs(top) > 60:
        return math.inf if top > 0 else 0.0
    base = min(x[1], y[1])
    return (x[0] << (x[1] - base)) / (y[0] << (y[1] - base))
