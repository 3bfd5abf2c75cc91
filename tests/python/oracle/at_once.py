"""Whole arrays of lines at once, with NumPy: most results are right beyond doubt, and
only the others need be followed element by element, which takes a hundred times longer.

A function here gives the error of each result in the unit of the bound, or NaN where it
cannot tell: near the ends of a dtype's range and past them, near the bound, and where a
small error of its own would matter. Its numbers are about those of `walk`.
"""

import math

import numpy as np

from .formats import FORMATS

# Sums and products of 64 bits, as x86 has them. Elsewhere they are followed.
WIDE = np.longdouble
HAS_WIDE = np.finfo(WIDE).nmant >= 63
# Precisions that leave WIDE, and doubles for logarithms, enough bits of their own.
NARROW = ["float16", "bfloat16", "float32"]
# Elements of one line: with more, errors of WIDE would add up to too much.
MOST = 2**20
# Factors from 0.5 to 1 whose product WIDE can hold.
BLOCK = 8192


def settled(op, elements, results, counts, first):
    """Whether each line is right beyond doubt, and the largest error of those that are.

    Result i of a line is for its first `first` + i elements, and only so many results
    of a line count."""
    if op == "cumprod_frexp" or elements.shape[1] > MOST:
        return np.zeros(len(results), bool), 0.0
    with np.errstate(all="ignore"):
        errors = judge(op)(op, elements, results, first)
    errors[np.arange(results.shape[1]) >= counts[:, None]] = 0
    right = (errors <= beyond_doubt(op, results.dtype)).all(axis=1)
    return right, float(errors[right].max(initial=0))


def beyond_doubt(op, dtype):
    """An error that is certainly less than the bound. A sum that is rounded once may
    come near it; logarithms of double precision are not so good."""
    of_four = op == "logcumsumexp" or (op == "cumprod" and dtype.kind == "c")
    return 3.9 if of_four else 1 - 2.0**-16


def judge(op):
    if op in ("cummax", "cummin"):
        return extrema
    if op == "logcumsumexp":
        return logarithms
    return products if op == "cumprod" else sums


def unknown(results):
    return np.full(results.shape, math.nan)


def exact(right):
    return np.where(right, 0.0, math.nan)


def preceded(column, values):
    """The values of lines after one that all share, or a column of them."""
    shape = (len(values), 1)
    column = np.broadcast_to(np.asarray(column, values.dtype), shape)
    return np.concatenate([column, values], axis=1)


def extrema(op, x, y, first):
    if x.dtype.kind == "c" or x.dtype != y.dtype:
        return unknown(y)
    if x.dtype.name == "bfloat16":
        x, y = x.astype(np.float32), y.astype(np.float32)
    greatest = op == "cummax"
    if x.dtype.kind == "f":
        identity = -np.inf if greatest else np.inf
    elif x.dtype.kind == "b":
        identity = not greatest
    else:
        limits = np.iinfo(x.dtype)
        identity = limits.min if greatest else limits.max
    x = preceded(identity, x)
    running = (np.maximum if greatest else np.minimum).accumulate(x, axis=1)
    # Zeros are equal, and the first of equal elements stays.
    starts = preceded(True, running[:, 1:] != running[:, :-1])
    place = np.maximum.accumulate(np.where(starts, np.arange(x.shape[1]), 0), axis=1)
    wanted = np.where(running == running, np.take_along_axis(x, place, axis=1), running)
    wanted = wanted[:, first : first + y.shape[1]]
    same = wanted == y
    if x.dtype.kind == "f":
        same &= np.signbit(wanted) == np.signbit(y)
    return exact(same | ((wanted != wanted) & (y != y)))


def wrapping(op, x, y, first):
    """Integers modulo 2^k, and bool_."""
    if y.dtype.kind == "b":
        kind, identity = np.dtype(bool), op == "cumprod"
    else:
        kind, identity = np.dtype(f"u{y.dtype.itemsize}"), int(op == "cumprod")
    x = preceded(identity, x.astype(kind))
    ufunc = np.multiply if op == "cumprod" else np.add
    wanted = ufunc.accumulate(x, axis=1, dtype=kind)[:, first : first + y.shape[1]]
    return exact(wanted == y.view(kind))


def decided_by_top(distance, low, high):
    """The distance as a part of what a number's binade allows; `low` and `high` are the
    exponents of these allowances for a little less and for a little more. NaN where
    they differ and it matters."""
    errors = np.ldexp(distance, -low)
    return np.where((low == high) | (errors < 2.0**-12), errors, math.nan)


def products(op, x, y, first):
    name = "float32" if y.dtype.kind == "c" else y.dtype.name
    if name not in FORMATS:
        return wrapping(op, x, y, first)
    if name not in NARROW or not HAS_WIDE:
        return unknown(y)
    fmt = FORMATS[name]
    mantissas, exponents = normalised(wide(x))
    exponents = np.cumsum(preceded(0, exponents.astype(np.int64)), axis=1)
    mantissa = np.ones((len(x), 1), mantissas.dtype)
    shift = np.zeros((len(x), 1), np.int64)
    blocks = [mantissa]
    for begin in range(0, x.shape[1], BLOCK):
        block = preceded(mantissa, mantissas[:, begin : begin + BLOCK])
        reduced, tops = normalised(np.multiply.accumulate(block, axis=1)[:, 1:])
        exponents[:, begin + 1 : begin + 1 + BLOCK] += shift + tops
        mantissa, shift = reduced[:, -1:], shift + tops[:, -1:]
        blocks.append(reduced)
    mantissas = np.concatenate(blocks, axis=1)
    # Where complex results are rounded to subnormal numbers, they have another bound.
    least = fmt.emin + 30 if y.dtype.kind == "c" else fmt.tiny_exponent + 3
    inside = (exponents > least) & (exponents < fmt.emax)
    inside &= np.isfinite(mantissas) & (mantissas != 0)
    inside = np.logical_and.accumulate(inside, axis=1)[:, first : first + y.shape[1]]
    mantissas = mantissas[:, first : first + y.shape[1]]
    exponents = exponents[:, first : first + y.shape[1]]
    exponents = np.where(inside, exponents, 1).astype(np.int32)
    distance = np.abs(wide(y) * np.ldexp(WIDE(1), -exponents) - mantissas)
    magnitude = np.abs(mantissas)
    if y.dtype.kind == "c":
        return np.where(inside, distance / magnitude * 2**24, math.nan)
    little = WIDE(2.0) ** -36
    low = exponents + np.where(magnitude * (1 - little) < 0.5, -1, 0)
    high = exponents + np.where(magnitude * (1 + little) >= 1, 1, 0)
    ulps = [np.maximum(top - 1, fmt.emin) - fmt.precision + 1 for top in (low, high)]
    errors = decided_by_top(distance, *(ulp - exponents for ulp in ulps))
    return np.where(inside, errors, math.nan)


def normalised(x):
    """Numbers whose largest part is from 0.5 to below 1, and their exponents of two;
    zero, infinity and NaN stay."""
    if x.dtype.kind != "c":
        return np.frexp(x)
    exponents = np.frexp(np.maximum(np.abs(x.real), np.abs(x.imag)))[1]
    return x * np.ldexp(WIDE(1), -exponents), exponents


def sums(op, x, y, first):
    if y.dtype.name not in FORMATS:
        return unknown(y) if y.dtype.kind == "c" else wrapping(op, x, y, first)
    if y.dtype.name not in NARROW or not HAS_WIDE:
        return unknown(y)
    fmt = FORMATS[y.dtype.name]
    x = preceded(0, x.astype(np.float64).astype(WIDE))
    total = np.add.accumulate(x, axis=1)
    magnitudes = np.add.accumulate(np.abs(x), axis=1)
    terms = np.arange(x.shape[1]) * magnitudes * WIDE(2.0) ** -(fmt.precision + 22)
    # Not so near the threshold of infinity that the bound matters there.
    half = WIDE(2.0) ** fmt.emax
    inside = (np.abs(total) < half) & (terms < half / 4)
    inside = np.logical_and.accumulate(inside, axis=1)
    part = slice(first, first + y.shape[1])
    is_negative_zero = (y == 0) & np.signbit(y)
    y = y.astype(np.float64).astype(WIDE)
    distance = np.abs(y - total[:, part])
    allowed = np.abs(y) * WIDE(2.0) ** -fmt.precision + terms[:, part]
    errors = np.where(distance == 0, 0, distance / allowed)
    return np.where(inside[:, part] & ~is_negative_zero, errors, math.nan)


def logarithms(op, x, y, first):
    """NumPy adds without leaving the logarithms, each time with an error of a few ulps
    of a double; later ones do not enlarge it."""
    if y.dtype.name not in NARROW or x.dtype.kind == "c":
        return unknown(y)
    fmt = FORMATS[y.dtype.name]
    x = preceded(-np.inf, x.astype(np.float64))
    wanted = np.logaddexp.accumulate(x, axis=1)[:, first : first + y.shape[1]]
    y = y.astype(np.float64)
    size = np.maximum(np.abs(wanted), 1)
    tops = [np.frexp(np.maximum(size * (1 + way * 2.0**-30), 1))[1] for way in (-1, 1)]
    errors = decided_by_top(np.abs(wanted - y), *(top - fmt.precision for top in tops))
    errors = np.where(np.isfinite(wanted) & np.isfinite(y), errors, math.nan)
    return np.where((wanted == y) & np.isinf(y), 0.0, errors)


# Products of tiny numbers must not vanish, because they may come back.
LEAST = WIDE(2.0) ** -16000 if HAS_WIDE else None


class Steps:
    """Numbers of lines, [step, line], and their magnitudes; `known` says of each line
    whether all are in the range of WIDE."""

    def __init__(self, h, size, known):
        self.h, self.size, self.known = h, size, known

    def times(self, other):
        h, size = self.h * other.h, self.size * other.size
        known = self.known & other.known & np.isfinite(h).all(axis=0)
        vanish = (size < LEAST) & (self.size > 0) & (other.size > 0)
        return Steps(h, size, known & ~vanish.any(axis=0))

    def __getitem__(self, part):
        return Steps(self.h[part], self.size[part], self.known)


def given(x):
    return Steps(x, np.abs(x), np.isfinite(x).all(axis=0))


def follow(a, b, start):
    """The steps of h = a h + b, of which there is one more than elements."""
    h, size = (np.concatenate(each) for each in ((start.h, b.h), (start.size, b.size)))
    for i in range(len(a.h)):
        h[i + 1] += a.h[i] * h[i]
        size[i + 1] += a.size[i] * size[i]
    vanish = (size[1:] > 0) | ((a.size > 0) & (size[:-1] > 0))
    known = np.isfinite(h).all(axis=0) & ~((size[1:] < LEAST) & vanish).any(axis=0)
    return Steps(h, size, known & b.known & start.known)


def recurrences(a, b, y, resets, starts, unit, fmt, inclusive):
    """As `settled`, of h = a h + b: for each line whether it is right beyond doubt. All
    arrays are in scan order; resets may be None."""
    lines, n = y.shape
    if not (HAS_WIDE and n):
        return np.zeros(lines, bool), 0.0
    with np.errstate(all="ignore"):
        a, b, start = (wide(x) for x in (a.T, b.T, starts[None]))
        if resets is not None:
            a = np.where(resets.T, 0, a)
        found = follow(given(a), given(b), given(start))
        steps = np.broadcast_to(np.arange(n + 1)[:, None], found.h.shape)
        if resets is not None:
            last = np.where(resets.T, np.arange(n)[:, None], 0)
            since = steps[1:] - np.maximum.accumulate(last)
            steps = np.concatenate([0 * steps[:1], since])
        part = slice(1, None) if inclusive else slice(-1)
        found, steps = found[part], steps[part]
        if not inclusive and resets is not None:
            found.h, found.size, steps = (
                np.where(resets.T, 0, x) for x in (found.h, found.size, steps)
            )
        return within(found, steps, y, unit, fmt)


def gradients(kind, x, c, y, unit, fmt, inclusive):
    """The same of cumprod_vjp and cumprod_jvp."""
    lines, n = y.shape
    if not (HAS_WIDE and n):
        return np.zeros(lines, bool), 0.0
    with np.errstate(all="ignore"):
        x, c = given(wide(x.T)), given(wide(c.T))
        one = given(np.ones((1, lines), x.h.dtype))
        zeros = given(np.zeros(x.h.shape, x.h.dtype))
        product = follow(x, zeros, one)[:-1]
        if kind == "jvp":
            found = follow(x, c.times(product), zeros[:1])
            found = found[1:] if inclusive else found[:-1]
        else:
            back = slice(None, None, -1)
            x, c = x[back], c[back]
            if inclusive:
                found = follow(x[:-1], c[1:], c[:1])
            else:
                found = follow(x, c, zeros[:1])[:-1]
            found = found[back].times(product)
        return within(found, 2 * n + 2, y, unit, fmt)


def within(found, steps, y, unit, fmt):
    """Whether each line is within the bound of recurrences, and the largest error."""
    allowed = found.size * (steps + 2) * WIDE(2.0) ** unit
    results = wide(y.T)
    errors = part_errors(found.h.real, results.real, allowed, fmt)
    if y.dtype.kind == "c":
        others = part_errors(found.h.imag, results.imag, allowed, fmt)
        errors = np.maximum(errors, others)
    right = found.known & (errors <= 1 - 2.0**-12).all(axis=0)
    return right, float(errors[:, right].max(initial=0))


def wide(x):
    if x.dtype.kind == "c":
        return x.astype(np.clongdouble)
    return x.astype(np.float64).astype(WIDE)


def part_errors(h, y, allowed, fmt):
    """At least the errors of numbers that are not quite exact."""
    size = np.maximum(np.abs(h) * (1 - WIDE(2.0) ** -30), np.abs(y))
    top = np.frexp(np.maximum(size, WIDE(2.0) ** fmt.emin))[1]
    half = np.ldexp(WIDE(1025), top - fmt.precision - 11)
    return np.abs(y - h) / (half + allowed * (1 - 2.0**-8))
